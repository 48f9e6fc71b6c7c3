"""Everything that can go wrong, as one tree: a title, a message and a hint for a person.

Every error that kmodtui raises on purpose derives from `KmodtuiError`. The
command line prints it on standard error and leaves with `exit_code`; the
dashboard shows it in a pane or a dialog and goes on. Nothing else of kmodtui
is imported here, so every layer can raise and catch these.
"""

from __future__ import annotations


class KmodtuiError(Exception):
    """Something went wrong, told so that a person knows what to do.

    Attributes:
        title: what happened in a few words.
        message: what happened in a sentence, with the names it is about.
        hint: what to do now; empty when there is nothing to do.
    """

    title = "Something went wrong"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UsageError(KmodtuiError):
    """The arguments make no sense together."""

    title = "Wrong arguments"
    exit_code = 2


class ConfigError(KmodtuiError):
    """The person's own configuration file cannot be obeyed to the letter."""

    title = "Wrong configuration"
    exit_code = 2


class UnfitTerminalError(KmodtuiError):
    """There is no terminal, or one that cannot show a dashboard."""

    title = "No fitting terminal"
    exit_code = 2


class NoModuleSupportError(KmodtuiError):
    """The observed kernel shows no loadable modules at all."""

    title = "No loadable modules"


class UnknownModuleError(KmodtuiError):
    """No module of that name is loaded, available or built in."""

    title = "Module not found"


class UnreadableError(KmodtuiError):
    """A file of the observed system is there but cannot be read."""

    title = "Cannot read"


class ModuleFileError(KmodtuiError):
    """A .ko file is not what it should be: empty, truncated, not ELF."""

    title = "Not a kernel module"


class SnapshotError(KmodtuiError):
    """A file is no snapshot, or none that can be trusted: foreign, damaged, too new."""

    title = "Not a snapshot"


class TooLargeFileError(ModuleFileError):
    """A packed file unpacks to more than any module has."""

    title = "Too large"


class PlanError(KmodtuiError):
    """What was asked for cannot be done in any order of steps."""

    title = "Cannot be done"


class ElevationError(KmodtuiError):
    """Root was not to be had."""

    title = "No privilege"


class ElevationRefusedError(ElevationError):
    """The system refused: wrong password, or not allowed at all."""


class ElevationForbiddenError(ElevationRefusedError):
    """The system's own rules do not let this user have root by this way."""


class ElevationCancelledError(ElevationError):
    """The person broke off at the password prompt."""


class HelperError(KmodtuiError):
    """The privileged helper did not do what the protocol promises."""

    title = "The privileged helper failed"


class HelperDiedError(HelperError):
    """The helper ended, or its pipe broke, before it answered."""


class RootGivenUpError(HelperDiedError):
    """The helper ended because nothing was asked of it for as long as it was to wait."""

    title = "Root given up"


class HelperVersionError(HelperError):
    """The helper speaks another version of the protocol."""

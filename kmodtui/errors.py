"""The tree of errors: each has a title, a message, a hint and an exit code.

Every error that kmodtui raises on purpose derives from `KmodtuiError`. The
command line prints it on standard error and exits with `exit_code`; the
dashboard shows it in a pane or a dialog and keeps running. This module imports
nothing else of kmodtui, so every layer can raise and catch these errors.
"""

from __future__ import annotations


class KmodtuiError(Exception):
    """An error, described so that the user knows what to do about it.

    Attributes:
        title: the kind of error, in a few words.
        message: what happened and to what, in a sentence.
        hint: what to do about it; empty when there is nothing to do.
        exit_code: exit status of the command line.
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
    """An argument is invalid, or arguments contradict each other."""

    title = "Invalid arguments"
    exit_code = 2


class ConfigError(KmodtuiError):
    """The user's configuration file has an invalid setting."""

    title = "Invalid configuration"
    exit_code = 2


class PolicyError(KmodtuiError):
    """An audit's policy does not exist, or has an error."""

    title = "Invalid policy"
    exit_code = 2


class NotComparableError(KmodtuiError):
    """The modules of two kernel releases cannot be compared."""

    title = "Cannot be compared"
    exit_code = 2


class UnsuitableTerminalError(KmodtuiError):
    """There is no terminal, or one that cannot show the dashboard."""

    title = "No suitable terminal"
    exit_code = 2


class NoModuleSupportError(KmodtuiError):
    """The observed kernel has no support for loadable modules, or does not show it."""

    title = "No loadable modules"


class UnknownModuleError(KmodtuiError):
    """No module of that name is loaded, available or built in."""

    title = "Module not found"


class UnreadableError(KmodtuiError):
    """A file of the observed system exists but cannot be read."""

    title = "Cannot read"


class OnlyRootReadsError(UnreadableError):
    """A file or directory exists, but only root may read it."""


class ModuleFileError(KmodtuiError):
    """A .ko file is invalid: empty, truncated, or not ELF."""

    title = "Not a kernel module"


class SnapshotError(KmodtuiError):
    """A snapshot file is invalid: damaged, of a newer format, or something else."""

    title = "Invalid snapshot"


class TooLargeFileError(ModuleFileError):
    """A compressed file is larger than any module when it is decompressed."""

    title = "File too large"


class PlanError(KmodtuiError):
    """There is no sequence of steps that would make the requested change."""

    title = "Not possible"


class ElevationError(KmodtuiError):
    """Root privileges could not be obtained."""

    title = "No root privileges"


class ElevationRefusedError(ElevationError):
    """The system refused: the password was wrong, or the user is not allowed to become root."""


class ElevationNotAllowedError(ElevationRefusedError):
    """The system's policy does not allow this user to become root with this program."""


class ElevationCancelledError(ElevationError):
    """The user cancelled the password prompt."""


class HelperError(KmodtuiError):
    """The privileged helper failed, or broke the protocol."""

    title = "The privileged helper failed"


class HelperDiedError(HelperError):
    """The helper exited, or the connection to it broke, before it answered."""


class RootSessionEndedError(HelperDiedError):
    """The helper exited because it received no request within its idle timeout."""

    title = "Root session ended"


class UnexpectedAnswerError(HelperDiedError):
    """The helper answered something that this process did not request."""

    title = "Root session ended"

    def __init__(self, what: str) -> None:
        """Take what arrived, as a noun phrase."""
        super().__init__(
            f"The root session was ended because the privileged helper sent {what}, which kmodtui "
            "did not expect: another program may have used its connection.",
            "See what the helper did: journalctl -t kmodtui-helper.",
        )


class HelperVersionError(HelperError):
    """The helper uses another version of the protocol."""

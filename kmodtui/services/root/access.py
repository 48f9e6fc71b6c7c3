"""How kmodtui gets root on the observed machine: for real, in the demo, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kmodtui.errors import ElevationRefusedError, KmodtuiError

if TYPE_CHECKING:
    from kmodtui.model.scope import Scope
    from kmodtui.privileged.client import HelperClient
    from kmodtui.privileged.elevation import Foreground
    from kmodtui.services.config import Config

OFF = "root: off"
"""Shown in the header while no root session is open."""

DENIED = "root: denied"
"""Shown in the header if no way to become root works here."""

READ_ONLY = "read-only"
"""Shown in the header with --read-only, and for a system that kmodtui cannot change."""

AS_ROOT = "running as root"
"""Shown in the header if kmodtui itself runs as root, which it never needs to."""


class RootAccess(Protocol):
    """A source of root sessions."""

    @property
    def state(self) -> str:
        """The header's words while no root session is open."""
        ...

    @property
    def sentence(self) -> str:
        """What happens when root is needed, for the confirmation dialog."""
        ...

    @property
    def held(self) -> str:
        """What the same dialog says while a root session that suffices is open."""
        ...

    @property
    def denied(self) -> KmodtuiError | None:
        """Why root is not available; None if it may be."""
        ...

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        """Open a root session of this scope, asking for a password if one is needed.

        Raises:
            ElevationError: it was refused or cancelled.
            HelperError: the helper did not start properly.
        """
        ...


class NoRoot:
    """No root: a captured tree is observed, or the user asked for read-only operation."""

    def __init__(self, reason: str, hint: str = "", *, as_root: bool = False) -> None:
        """Refuse with a reason and a remedy; `as_root` is whether kmodtui itself runs as root."""
        self.sentence = self.held = reason
        self.state = f"{READ_ONLY} · {AS_ROOT}" if as_root else READ_ONLY
        self._hint = hint

    @property
    def denied(self) -> KmodtuiError:
        """See `RootAccess.denied`."""
        return ElevationRefusedError(self.sentence, self._hint)

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:  # noqa: ARG002
        """Raise `denied`."""
        raise self.denied


def read_only(typed: bool | None, config: Config, *, as_root: bool = False) -> NoRoot | None:
    """Return the refusal of all changes if the user asked for read-only operation.

    Args:
        typed: True for --read-only, False for --no-read-only, None for neither.
        config: the user's own settings, which the options override.
        as_root: whether kmodtui itself runs as root.
    """
    if typed:
        return NoRoot(
            "kmodtui was started with --read-only.",
            "Start kmodtui without --read-only.",
            as_root=as_root,
        )
    if config.read_only and typed is None:
        return NoRoot(
            f"read_only = true is set in {config.path}.",
            "Start kmodtui with --no-read-only.",
            as_root=as_root,
        )
    return None

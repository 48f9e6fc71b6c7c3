"""Root on this machine: through sudo, doas, run0 or pkexec, or because kmodtui runs as root."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from kmodtui.errors import (
    ElevationNotAllowedError,
    ElevationRefusedError,
    HelperError,
    KmodtuiError,
)
from kmodtui.model.scope import Scope
from kmodtui.model.text import clean
from kmodtui.privileged.client import HelperClient
from kmodtui.privileged.elevation import (
    Foreground,
    NoElevation,
    detect,
    detect_after,
    open_session,
)
from kmodtui.privileged.installation import caution, mismatch
from kmodtui.services.config import Config
from kmodtui.services.root.access import AS_ROOT, DENIED, OFF


class LocalRoot:
    """Root on this machine, through the given program or the first one that works."""

    def __init__(
        self,
        way: str = "",
        *,
        idle_minutes: int | None = None,
        kept_in: Path | None = None,
        once: bool = False,
    ) -> None:
        """Choose how to become root.

        Args:
            way: one of `elevation.LADDER`; empty for the first one that could work.
            idle_minutes: how long the helper waits for a request before it drops root;
                None for its default.
            kept_in: the configuration file that sets `way`, unless the command line does.
            once: whether root is needed only once, so that there is no next attempt.

        Raises:
            ElevationRefusedError: `way` was given and cannot work.
        """
        self._idle_minutes = idle_minutes
        self._named = bool(way)
        self._once = once
        if kept_in is None:
            self._elevation = detect(way)
        else:
            self._elevation = detect(way, instead=f'remove elevate = "{way}" from {kept_in}')
        if way and self.denied:
            raise self.denied
        self._warning = _helper_warning() if self._elevation.available else ""

    @property
    def state(self) -> str:
        """See `RootAccess.state`."""
        if os.geteuid() == 0:
            return AS_ROOT
        return DENIED if self.denied else OFF

    @property
    def sentence(self) -> str:
        """What will happen, with a warning about the helper until it was started once."""
        return f"{self._elevation.sentence} {self._warning}".rstrip()

    @property
    def held(self) -> str:
        """See `RootAccess.held`."""
        return f"The root session is already open ({self._elevation.name})."

    @property
    def denied(self) -> KmodtuiError | None:
        """See `RootAccess.denied`."""
        if isinstance(self._elevation, NoElevation):
            return ElevationRefusedError(self._elevation.sentence, self._elevation.hint)
        return None

    async def open(self, foreground: Foreground, scope: Scope) -> HelperClient:
        """Start the helper; see `RootAccess.open`."""
        try:
            channel = await open_session(self._elevation, foreground, scope=scope)
        except ElevationNotAllowedError as error:
            other = await asyncio.to_thread(mismatch)
            raise self._with_remedy(error, other) from error
        if self._idle_minutes is not None:
            set_ = await channel.set_idle(60 * self._idle_minutes)
            if not set_.ok:
                await channel.close()
                raise HelperError(
                    f"The helper refused an idle timeout of {self._idle_minutes} minutes: "
                    f"{clean(set_.message)}",
                    "Change idle_minutes in the configuration file.",
                )
        self._warning = ""
        return channel

    def _with_remedy(
        self, error: ElevationNotAllowedError, mismatched: str
    ) -> ElevationNotAllowedError:
        """Return the error with another possible cause and with what to do next.

        Unless a way was given, the next one that could work is used from now on. A wrong
        or missing password is not handled here: the same way simply asks again.

        Args:
            error: why this user may not become root this way.
            mismatched: why the installed helper is not used, as a sentence; empty if it is.
        """
        message, hints = error.message, []
        if mismatched:
            message += f" {mismatched} A rule for the installed helper does not cover another one."
            hints.append("Update it with: kmodtui helper install.")
        following = None if self._named else detect_after(self._elevation.name)
        if following is not None and self._once:
            hints.append(f"Try another program: --elevate {following.name}.")
        elif following is not None:
            self._elevation = following
            hints.append(
                f"The next attempt uses {following.name}; --elevate selects another program."
            )
        return ElevationNotAllowedError(message, " ".join(hints) or error.hint)


def _helper_warning() -> str:
    """Return what the user should know before the helper is started for the first time."""
    mismatched, unsafe = mismatch(), caution()
    if mismatched:
        return f"{mismatched} Update it with: kmodtui helper install. {unsafe}".rstrip()
    return f"{unsafe} kmodtui helper install prevents that." if unsafe else ""


def chosen_root(elevate: str, config: Config, *, once: bool = False) -> LocalRoot:
    """Return root on this machine as the command line or else the configuration selects it.

    Args:
        elevate: the value of --elevate; empty if it was not given.
        config: the user's configuration.
        once: see `LocalRoot`.

    Raises:
        ElevationRefusedError: the selected way cannot work.
    """
    kept = "" if elevate else config.elevate or ""
    return LocalRoot(
        elevate or kept,
        idle_minutes=config.idle_minutes,
        kept_in=config.path if kept else None,
        once=once,
    )

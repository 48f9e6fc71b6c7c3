"""How root is had on the machine that is looked at: really, in the demo, or not at all."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Protocol

from kmodtui.demo import NOTICE, Demo
from kmodtui.errors import (
    ElevationForbiddenError,
    ElevationRefusedError,
    HelperError,
    KmodtuiError,
)
from kmodtui.model.text import clean
from kmodtui.privileged.client import HelperChannel
from kmodtui.privileged.elevation import (
    Foreground,
    NoElevation,
    detect,
    detect_after,
    open_session,
)
from kmodtui.privileged.installation import caution, mismatch
from kmodtui.services.config import Config

LOCKED = "helper: locked"
"""What the header says while there is no session."""


AS_ROOT = "running as root"
"""What the header says where the whole of kmodtui has root, which it never needs."""


class RootAccess(Protocol):
    """A way to a session with root."""

    @property
    def state(self) -> str:
        """How things stand while there is no session, in a word or two for the header."""
        ...

    @property
    def sentence(self) -> str:
        """What happens when root is needed, for the dialog that asks to go on."""
        ...

    @property
    def held(self) -> str:
        """What is true of the next change once a session stands, for the same dialog."""
        ...

    @property
    def denied(self) -> KmodtuiError | None:
        """Why root is not to be had here at all; None where it may be."""
        ...

    async def open(self, foreground: Foreground) -> HelperChannel:
        """Return a session with root, asking for a password where one is needed.

        Raises:
            ElevationError: it was refused or broken off.
            HelperError: the helper did not start as it should.
        """
        ...


class LocalRoot:
    """Root on this machine, by the way that was asked for or the first that works here."""

    def __init__(
        self,
        way: str = "",
        *,
        idle_minutes: int | None = None,
        kept_in: Path | None = None,
        once: bool = False,
    ) -> None:
        """Find the way.

        Args:
            way: its name; empty for the first that could work.
            idle_minutes: how long the helper waits for a request before it gives root
                up; as long as it likes if not told.
            kept_in: the configuration file that names the way, if it was not typed.
            once: whether it is tried once, so that there is no next attempt.

        Raises:
            ElevationRefusedError: a way was asked for that cannot work.
        """
        self._idle_minutes = idle_minutes
        self._named = bool(way)
        self._once = once
        if kept_in is None:
            self._elevation = detect(way)
        else:
            self._elevation = detect(way, instead=f'take elevate = "{way}" out of {kept_in}')
        if way and self.denied:
            raise self.denied
        self._to_know = _to_know() if self._elevation.available else ""

    @property
    def state(self) -> str:
        """See `RootAccess.state`."""
        if os.geteuid() == 0:
            return AS_ROOT
        return "read-only" if self.denied else LOCKED

    @property
    def sentence(self) -> str:
        """What the way to root will do, and until it was done once, who could abuse it."""
        return f"{self._elevation.sentence} {self._to_know}".rstrip()

    @property
    def held(self) -> str:
        """The helper runs already."""
        return f"The helper holds root already, by way of {self._elevation.name}."

    @property
    def denied(self) -> KmodtuiError | None:
        """Why there is no way."""
        if isinstance(self._elevation, NoElevation):
            return ElevationRefusedError(self._elevation.sentence, self._elevation.hint)
        return None

    async def open(self, foreground: Foreground) -> HelperChannel:
        """Start the helper; see `RootAccess.open`."""
        try:
            channel = await open_session(self._elevation, foreground)
        except ElevationForbiddenError as error:
            other = await asyncio.to_thread(mismatch)
            raise self._with_what_to_do(error, other) from error
        if self._idle_minutes is not None:
            set_ = await channel.set_idle(60 * self._idle_minutes)
            if not set_.ok:
                await channel.close()
                raise HelperError(
                    f"The helper does not take {self._idle_minutes} minutes to give root up after: "
                    f"{clean(set_.message)}",
                    "Change idle_minutes in the configuration.",
                )
        self._to_know = ""
        return channel

    def _with_what_to_do(
        self, error: ElevationForbiddenError, other: str
    ) -> ElevationForbiddenError:
        """Return it with what else may be the cause, and what to do now.

        The next way that there is here is taken from now on, unless one was named. A
        password that was wrong, or was not typed, is no reason for that: it is asked again.

        Args:
            error: that the user may not have root by this way.
            other: that the installed helper is not used, in a sentence; empty if it is.
        """
        message, hints = error.message, []
        if other:
            message += f" {other} What the rules allow of it they need not allow of this one."
            hints.append("Have it brought up to date: kmodtui helper install.")
        following = None if self._named else detect_after(self._elevation.name)
        if following is not None and self._once:
            hints.append(f"Choose another way: --elevate {following.name}.")
        elif following is not None:
            self._elevation = following
            hints.append(
                f"The next attempt goes by {following.name}; --elevate chooses another way."
            )
        return ElevationForbiddenError(message, " ".join(hints) or error.hint)


def _to_know() -> str:
    """Return what to know of the helper before it is started for the first time."""
    other, unsafe = mismatch(), caution()
    if other:
        return f"{other} kmodtui helper install brings it up to date. {unsafe}".rstrip()
    return f"{unsafe} kmodtui helper install ends that." if unsafe else ""


def chosen_root(elevate: str, config: Config, *, once: bool = False) -> LocalRoot:
    """Return root on this machine by the way that was typed, else by the one that is kept.

    Args:
        elevate: what was typed; empty if nothing was.
        config: the person's own settings.
        once: see `LocalRoot`.

    Raises:
        ElevationRefusedError: that way cannot work.
    """
    kept = "" if elevate else config.elevate or ""
    return LocalRoot(
        elevate or kept,
        idle_minutes=config.idle_minutes,
        kept_in=config.path if kept else None,
        once=once,
    )


class DemoRoot:
    """Root on the simulated machine, which costs nothing and changes nothing."""

    sentence = held = NOTICE
    denied = None
    state = LOCKED

    def __init__(self, demo: Demo) -> None:
        self._demo = demo

    async def open(self, foreground: Foreground) -> HelperChannel:  # noqa: ARG002
        """Start the simulated helper."""
        return await self._demo.start_channel()


class NoRoot:
    """Looking only: a captured tree, or because the person asked for it."""

    def __init__(self, reason: str, hint: str = "", *, as_root: bool = False) -> None:
        """Refuse with a reason and what to do; `as_root` is whether kmodtui itself has root."""
        self.sentence = self.held = reason
        self.state = f"read-only · {AS_ROOT}" if as_root else "read-only"
        self._hint = hint

    @property
    def denied(self) -> KmodtuiError:
        """Why not."""
        return ElevationRefusedError(self.sentence, self._hint)

    async def open(self, foreground: Foreground) -> HelperChannel:  # noqa: ARG002
        """Refuse."""
        raise self.denied

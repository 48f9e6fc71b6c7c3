"""The modes of the terminal that the dashboard sets, and how they are reset.

Sources: XTerm Control Sequences (ctlseqs), the kitty keyboard protocol, termios(3).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import time
from typing import Any

from textual.constants import DISABLE_KITTY_KEY

from kmodtui.ui.terminal.capabilities import Capabilities

_MOUSE = ("1000", "1003", "1015", "1006")  # clicks, movements, and two ways to encode them

_KITTY_FLAGS = 1 | 8 | 16  # unambiguous escape codes for all keys, with the text they type

ABORT = "\x18\x1b[?2026l"
"""Aborts an escape sequence that was only written in part, and a synchronized update."""


QUESTION = "\x1b[?2026$p"
"""Asks whether the terminal knows synchronized updates."""


def setting(capabilities: Capabilities, *, mouse: bool) -> str:
    """Return the sequences that switch to the dashboard's own screen and keys."""
    ask_for_synchronized_updates = (
        # Apple's terminal would print a part of this question.
        "" if os.environ.get("TERM_PROGRAM") == "Apple_Terminal" else QUESTION
    )
    return (
        "\x1b[?1049h"  # the alternate screen
        + ("".join(f"\x1b[?{mode}h" for mode in _MOUSE) if mouse and capabilities.mouse else "")
        + "\x1b[?25l"  # no cursor
        + "\x1b[?1004h"  # reports of the focus
        + (f"\x1b[>{_KITTY_FLAGS}u" if _has_kitty_keys(capabilities) else "")
        + (ask_for_synchronized_updates if capabilities.answers else "")
        + "\x1b[?2004h"  # marks around pasted text
        + "\x1b[?7l"  # no line wrap
    )


def resetting(capabilities: Capabilities, *, mouse: bool) -> str:
    """Return the sequences that reset what `setting` sets."""
    return (
        "\x1b[m\x1b[?2004l\x1b[?7h"
        + ("".join(f"\x1b[?{mode}l" for mode in _MOUSE) if mouse and capabilities.mouse else "")
        # Before the alternate screen is left: the terminal keeps flags for each screen.
        + ("\x1b[<u" if _has_kitty_keys(capabilities) else "")
        # Without an alternate screen, the dashboard would stay behind the shell's next lines.
        + ("" if capabilities.restores else "\x1b[H\x1b[J")
        + "\x1b[?1049l\x1b[?25h\x1b[?1004l"
    )


def _has_kitty_keys(capabilities: Capabilities) -> bool:
    return capabilities.answers and not DISABLE_KITTY_KEY


def raw(attributes: list[Any]) -> list[Any]:
    """Return terminal attributes with which every key is read at once, as a byte."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = attributes
    # Without IXON, Ctrl+S and Ctrl+Q are keys as well.
    iflag &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
    lflag &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
    cc = list(cc)
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]


def attributes(terminal: int) -> list[Any] | None:
    """Return the attributes of a terminal; None if it no longer exists."""
    try:
        return termios.tcgetattr(terminal)
    except (termios.error, OSError):
        return None


def set_attributes(terminal: int, wanted: list[Any]) -> None:
    """Set the attributes of a terminal if it still exists, without waiting for its output."""
    with contextlib.suppress(termios.error, OSError):
        termios.tcsetattr(terminal, termios.TCSANOW, wanted)


def await_input(terminal: int, *, until: float) -> None:
    """Wait until something has arrived, or until a time of the monotonic clock.

    The answer to a question may be on its way.
    """
    if (left := until - time.monotonic()) > 0:
        with contextlib.suppress(OSError, ValueError):
            select.select([terminal], [], [], left)


def discard_input(terminal: int) -> None:
    """Discard what has arrived from a terminal and not been read."""
    with contextlib.suppress(termios.error, OSError):
        termios.tcflush(terminal, termios.TCIFLUSH)


def is_foreground(terminal: int) -> bool:
    """Return whether this process may use a terminal.

    It may not if it has been put into the background of the terminal's session.
    """
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # not the controlling terminal: there is no background


def size(terminal: int) -> tuple[int, int]:
    """Return columns and rows of a terminal; 80x24 if it has no size."""
    try:
        data = fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return 80, 24
    rows, columns, _, _ = struct.unpack("HHHH", data)
    return (columns, rows) if columns and rows else (80, 24)

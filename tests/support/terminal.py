"""A real terminal with a program in it, to press keys and read the screen.

    with Terminal(["kmodtui", "--demo"], columns=80, rows=24) as terminal:
        terminal.wait_for("btrfs")
        terminal.press("/", "btrfs", "Enter")
        terminal.wait_for(lambda t: "1 of 1" in t.text())
        terminal.press("q")
        assert terminal.wait_for_exit() == 0

The program has its own pseudoterminal as controlling terminal. A thread feeds
its output to an emulator (pyte). Tests wait for output and never for time to pass.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte

from tests.support.working import MARK, works

KEYS = {
    "Backspace": "\x7f",
    "Delete": "\x1b[3~",
    "Down": "\x1b[B",
    "End": "\x1b[F",
    "Enter": "\r",
    "Esc": "\x1b",
    "F1": "\x1bOP",
    "F5": "\x1b[15~",
    "Home": "\x1b[H",
    "Insert": "\x1b[2~",
    "Left": "\x1b[D",
    "PageDown": "\x1b[6~",
    "PageUp": "\x1b[5~",
    "Right": "\x1b[C",
    "Shift+Tab": "\x1b[Z",
    "Space": " ",
    "Tab": "\t",
    "Up": "\x1b[A",
    **{f"Ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
}
"""What an xterm sends, by name."""

# Meant as keys, but they would be typed as text: Escape for Esc, Alt+x.
_NAMED = re.compile(r"(Ctrl|Alt|Shift)\+\w+|F\d+|Escape|Return|Page(Up|Down)|Pg(Up|Dn)|Del|Ins")

Condition = str | re.Pattern[str] | Callable[["Terminal"], object]
"""A regular expression to be found on the screen, or a question about the terminal."""

# Private modes have their number shifted in pyte's set of modes.
_ALTERNATE_SCREEN = 1049 << 5
_REPORTS = frozenset(
    mode << 5 for mode in (1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004, 2048)
)
_WRAP = 7 << 5
_KITTY_ON = re.compile(rb"\x1b\[>\d+u")
# Sequences that pyte misinterprets: `CSI > 1 u`, the kitty keyboard, as restoring the
# cursor; `CSI > 4 m` as colours; and private queries, for which it has no parameter.
_NOT_FOR_PYTE = re.compile(rb"\x1b\[(?:[<>=][0-9;:]*|\?[0-9;]*\$?(?![0-9;$hlJK]))[a-zA-Z]")
_UNFINISHED = re.compile(rb"\x1b(\[[<>=?]?[0-9;:]*\$?)?$")


def _shows(pattern: str | re.Pattern[str]) -> Callable[[Terminal], object]:
    return lambda terminal: re.search(pattern, terminal.text())


class _Screen(pyte.Screen):
    """pyte's screen, and the alternate one that full-screen programs switch to."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows)
        # pyte's own types for these are not part of its interface.
        self._behind: tuple[Any, Any] | None = None

    def set_mode(self, *modes: int, **options: bool) -> None:
        super().set_mode(*modes, **options)
        if options.get("private") and 1049 in modes and self._behind is None:
            self._behind = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **options: bool) -> None:
        super().reset_mode(*modes, **options)
        if options.get("private") and 1049 in modes and self._behind is not None:
            self.buffer, cursor = self._behind
            self._behind = None
            cursor.hidden = self.cursor.hidden
            self.cursor = cursor
            self.dirty.update(range(self.lines))


class Terminal:
    """A program in a terminal.

    Attributes:
        columns, rows: the size.
        raw: every byte that the program has written.
        mark: what its processes can be found by; see `working`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 120,
        rows: int = 40,
        term: str = "xterm-256color",
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        witness: Callable[[], str] | None = None,
    ) -> None:
        """Start a command.

        Args:
            command: its words; no shell.
            columns, rows: the size.
            term: TERM.
            environment: added to PATH, HOME, LANG and TERM, which is all there is.
            cwd: where it runs.
            witness: returns more information for the error if a wait fails.
        """
        self._witness = witness
        self.columns, self.rows = columns, rows
        self.raw = bytearray()
        self._screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._pending = b""
        self._ended = False
        self.mark = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._master, slave = os.openpty()
        self._set_size()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            # It becomes a session leader with this controlling terminal, so it gets the
            # signals for a new size and a hang-up. None of them is ignored, as they could
            # be under nohup or in a background job of a shell.
            ["setsid", "--ctty", "--", "env", "--default-signal=HUP,INT,QUIT", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={
                **inherited,
                "LANG": "C.UTF-8",
                "TERM": term,
                MARK: self.mark,
                **(environment or {}),
            },
            cwd=cwd,
        )
        os.close(slave)
        # A descriptor stays open while it is being read: to hang up, the
        # reader has to be stopped first.
        self._called_away, self._call_away = os.pipe()
        self.read_on()

    # The screen

    def lines(self) -> list[str]:
        """The lines of the screen, without trailing blanks."""
        with self._changed:
            return [line.rstrip() for line in self._screen.display]

    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines())

    def line_with(self, words: str) -> str:
        """Return the first line that contains `words`; AssertionError if none does."""
        for line in self.lines():
            if words in line:
                return line
        raise AssertionError(f"no line with {words!r} on the screen:\n{self._picture()}")

    @property
    def byte_count(self) -> int:
        """How many bytes the program has written."""
        return len(self.raw)

    @property
    def screen(self) -> pyte.Screen:
        """The emulator, for colours and attributes of single cells (`screen.buffer[y][x]`)."""
        return self._screen

    @property
    def is_full_screen(self) -> bool:
        """Whether the program has switched to the alternate screen."""
        return _ALTERNATE_SCREEN in self._screen.mode

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal is as it was before: every mode that the program set is reset.

        Normal screen, cursor shown, no reports of mouse, focus, size and paste, long lines wrapped,
        the kitty keyboard off, and lines edited and echoed by the system; the last is known only
        for programs on this machine and not behind ssh.
        """
        local = termios.tcgetattr(self._master)[3]
        return (
            not self.is_full_screen
            and not self._screen.cursor.hidden
            and not _REPORTS & self._screen.mode
            and _WRAP in self._screen.mode
            and len(_KITTY_ON.findall(self.raw)) == self.raw.count(b"\x1b[<u")
            and bool(local & termios.ECHO)
            and bool(local & termios.ICANON)
        )

    # What the user does

    def press(self, *keys: str) -> None:
        """Press keys by name (`Enter`, `Ctrl+r`), or type text.

        After Esc, wait for its effect before the next key, because for the program both
        together are Alt with that key.
        """
        if "Esc" in keys[:-1]:
            raise ValueError("Esc has to be the last key of a call: wait for its effect")
        for key in keys:
            if key not in KEYS and _NAMED.fullmatch(key):
                raise ValueError(f"there is no key {key}; to type it, press its letters")
            os.write(self._master, KEYS.get(key, key).encode())

    def resize(self, columns: int, rows: int) -> None:
        """Resize the window."""
        with self._changed:
            self.columns, self.rows = columns, rows
            self._screen.resize(rows, columns)
        self._set_size()

    def stall(self) -> None:
        """Stop to read what the program writes, as a connection that hangs; see `read_on`."""
        if self._reader.is_alive():
            os.write(self._call_away, b"!")
            self._reader.join()
            os.read(self._called_away, 1)
            self._ended = False

    def read_on(self) -> None:
        """Read what the program writes."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, data: bytes) -> None:
        """Send bytes that are no key, or in no encoding."""
        while data:
            data = data[os.write(self._master, data) :]

    def attributes(self) -> list[Any]:
        """The settings of the terminal, as termios(3) has them."""
        return termios.tcgetattr(self._master)

    def hang_up(self) -> None:
        """Close the window, as if the connection was lost."""
        if self._master >= 0:
            self.stall()
            for descriptor in (self._master, self._called_away, self._call_away):
                os.close(descriptor)
            self._master = -1

    # Waiting

    def wait_for(self, condition: Condition, timeout: float = 10) -> None:
        """Wait until a pattern is on the screen or a condition is true.

        Raises:
            AssertionError: this did not happen in `timeout` seconds, or the program exited
                before; the message has the screen.
        """
        question = condition if callable(condition) else _shows(condition)
        deadline = time.monotonic() + timeout
        with self._changed:
            while not question(self):
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    why = "the program ended" if self._ended else f"not after {timeout:g} s"
                    raise AssertionError(f"{why}: {condition}\n{self._picture()}")
                self._changed.wait(left)

    def output_within(self, seconds: float) -> int:
        """Return how many bytes the program writes in the next seconds: 0 if it is silent."""
        before = len(self.raw)
        deadline = time.monotonic() + seconds
        with self._changed:
            while (left := deadline - time.monotonic()) > 0 and not self._ended:
                self._changed.wait(left)
            return len(self.raw) - before

    def settle(self, quiet: float = 0.5, timeout: float = 30) -> None:
        """Wait until the program has nothing left to do, as after a repaint.

        That is: nothing was written for `quiet` seconds, and the program waits for something
        that is not a processor. On a busy machine, silence alone proves nothing.
        """
        deadline = time.monotonic() + timeout
        while (self.output_within(quiet) or works(self.mark)) and not self._ended:
            if time.monotonic() > deadline:
                raise AssertionError(f"never silent for {quiet:g} s\n{self._picture()}")

    def wait_for_exit(self, timeout: float = 10) -> int:
        """Wait for the program and return its exit status, negative for a signal."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout:g} s\n{self._picture()}") from None
        self._reader.join(timeout)
        return status

    # The rest

    def close(self) -> None:
        """Close the window, and end the program if it is still running."""
        self.hang_up()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._called_away], [], [])
            data = b""
            if self._called_away not in ready:
                # EIO: the last process that had the terminal open has exited.
                with contextlib.suppress(OSError):
                    data = os.read(self._master, 65536)
            with self._changed:
                if not data:
                    self._ended = True
                    self._changed.notify_all()
                    return
                self.raw += data
                self._feed(data)
                self._changed.notify_all()

    def _feed(self, data: bytes) -> None:
        data = _NOT_FOR_PYTE.sub(b"", self._pending + data)
        # A sequence may be split between two reads.
        cut = _UNFINISHED.search(data)
        self._pending = cut.group() if cut else b""
        self._stream.feed(data[: len(data) - len(self._pending)])

    def _set_size(self) -> None:
        size = struct.pack("HHHH", self.rows, self.columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def _picture(self) -> str:
        edge = "─" * self.columns
        picture = [f"┌{edge}┐", *(f"│{line}" for line in self.lines()), f"└{edge}┘"]
        return "\n".join([*picture, self._witness() if self._witness else ""])

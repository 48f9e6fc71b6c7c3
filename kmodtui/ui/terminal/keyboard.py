"""What the bytes from a terminal mean: keys, mouse reports and pasted text.

Textual's parser knows the sequences of keys, but cannot be given everything: an unknown
sequence becomes the keys `[`, `9`, `z`, and pasted text without an end swallows all keys.
So it is only given complete sequences (ECMA-48, section 5.4).
"""

from __future__ import annotations

import re
import time
from codecs import getincrementaldecoder

from textual import events, messages
from textual._xterm_parser import XTermParser
from textual.constants import ESCAPE_DELAY
from textual.message import Message

PASTE_LIMIT = 64 * 1024
"""Bytes of pasted text that are used; no input line needs more."""

PASTE_SILENCE = 2.0
"""Seconds of silence after which pasted text has ended, even if its end was not marked."""

SEQUENCE_SILENCE = 1.0
"""Seconds of silence after which the rest of a sequence is taken for lost."""

SLOW_DELAY = 0.5
"""Seconds of silence after Esc, or after the beginning of a sequence, on a slow line.

A line is slow if the rest of a sequence came after its Esc had been taken for the key.
"""

_ORPHAN_DELAY = 0.3  # seconds that `[` or `O` soon after Esc may be the rest of a sequence
_AFTER_O = tuple(bytes([byte]) for byte in b"ABCDFHMPQRS")  # arrows, Home, End, Enter, F1 to F4
_ORPHAN = re.compile(rb"\[(?:\[?[0-?]*[ -/]*[@-~])?|O[@-~]?", re.DOTALL)

BURST = 256
"""More characters than this that arrive at once were pasted, not typed."""

QUIT = "ctrl+q"
_QUIT_BYTE = b"\x11"

_PASTE_BEGIN, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
_LONGEST = 64  # bytes of a sequence
_TYPED = 2  # bytes of the longest beginning of a sequence that is a key itself, such as Alt+[

_COMPLETE = re.compile(
    rb"""
    (?P<x10> \x1b\[M[\x20-\xff]{3} )           # a mouse report in three bytes
    | \x1b[\]P^_X][ -~]*?(?:\x07|\x1b\\)       # an answer of the terminal, which nobody asked for
    | (?P<key> \x1b\[\d+\$(?![@-~])            # rxvt's keys with Shift
        | \x1b\[(?!M)\[?[0-?]*[ -/]*[@-Z\\-~]
        | \x1bO[0-9;]*[@-~]
        | \x1b(?!\]\d{1,3};)(?:[^\x11\x1b\[O\x80-\xff] | [\xc2-\xf4][\x80-\xbf]+)  # with Alt
      )
    | (?P<esc> \x1b(?=[\x11\x1b\x80-\xff]))
    """,
    re.VERBOSE | re.DOTALL,
)
_INCOMPLETE = re.compile(
    rb"\x1b(?:\[M[\x20-\xff]{0,2}|\[\[?[0-?]*[ -/]*|O[0-9;]*|[\xc2-\xf4][\x80-\xbf]*"
    rb"|\]\d{1,3};[ -~]*\x1b?)?",  # a late answer to another program, of which a part arrived
    re.DOTALL,
)


class Keyboard:
    """Turns bytes into messages for the application. Accepts all bytes in any order."""

    def __init__(self, delay: float = ESCAPE_DELAY) -> None:
        """Start with nothing.

        Args:
            delay: seconds of silence after Esc that make it the key.
        """
        self._delay = delay
        self._parser = XTermParser()
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._rest = b""
        self._paste: bytearray | None = None
        self._last_input = 0.0
        self._escaped = -SEQUENCE_SILENCE
        """When Esc was last taken for the key because nothing followed."""
        self._orphan = False
        """Whether the Esc of the waiting sequence was taken for the key already."""
        self._slow = False

    @property
    def wait(self) -> float | None:
        """Seconds until `expire` has something to do if there is no input; None if never."""
        if not self._rest and self._paste is None:
            return None
        if self._paste is not None:
            patience = PASTE_SILENCE
        else:
            # Esc and Alt are typed; whatever is longer is a sequence of which the rest is late.
            patience = SEQUENCE_SILENCE
            if len(self._rest) <= _TYPED:
                patience = SLOW_DELAY if self._slow else self._delay
                patience = max(patience, _ORPHAN_DELAY) if self._orphan else patience
        return max(0.0, self._last_input + patience - time.monotonic())

    def feed(self, data: bytes) -> list[Message]:
        """Return what these bytes mean, together with those before them."""
        self._last_input = time.monotonic()
        soon = self._last_input - self._escaped < SEQUENCE_SILENCE
        if soon and not self._rest and self._paste is None and _ORPHAN.fullmatch(data):
            self._rest, self._orphan = b"\x1b", True
        self._escaped = -SEQUENCE_SILENCE
        self._rest += data
        found: list[Message] = []
        while self._rest:
            before = len(self._rest)
            found += self._take()
            if len(self._rest) == before:
                break
        return found

    def expire(self) -> list[Message]:
        """Return what the waiting bytes mean if nothing follows them; see `wait`."""
        if self.wait != 0.0:
            return []
        if self._paste is not None:
            self._paste += self._rest
            self._rest = b""
            return self._pasted()
        rest, self._rest = self._rest, b""
        if self._orphan:
            self._orphan = False
            return self._parse(rest[1:].decode("ascii", "replace")) if len(rest) == _TYPED else []
        if rest == b"\x1b":
            self._escaped = time.monotonic()
            return [events.Key("escape", "\x1b")]
        # Alt+[ and Alt+O; longer ones are sequences of which the rest was lost.
        return self._key(rest) if len(rest) == _TYPED else []

    def _take(self) -> list[Message]:
        """Remove one unit from the start of the waiting bytes, if it is complete."""
        if self._paste is not None:
            return self._take_pasted(self._paste)
        if self._rest[0] != 0x1B:
            text, escape, rest = self._rest.partition(b"\x1b")
            self._rest = escape + rest
            return self._text(text, final=bool(escape))
        match = _COMPLETE.match(self._rest)
        if match is None:
            incomplete = _INCOMPLETE.match(self._rest)
            assert incomplete is not None
            malformed = incomplete.end() < len(self._rest)
            self._rest = self._rest[incomplete.end() :] if malformed else self._rest[:_LONGEST]
            return []
        unit = match.group()
        self._rest = self._rest[match.end() :]
        if self._orphan:
            self._orphan = False
            if unit[1:2] == b"O" and unit[2:] not in _AFTER_O:
                return self._parse(unit[1:].decode("ascii", "replace"))  # typed after Esc
            self._slow = True
        if match["esc"]:
            return [events.Key("escape", "\x1b")]
        if unit == _PASTE_BEGIN:
            self._paste = bytearray()
            return []
        return self._key(unit) if match["key"] and len(unit) <= _LONGEST else []

    def _take_pasted(self, paste: bytearray) -> list[Message]:
        text, end, rest = self._rest.partition(_PASTE_END)
        if _QUIT_BYTE in text:
            self._rest, self._paste = b"", None
            return [events.Key(QUIT, "\x11")]
        if not end:
            # The end may have arrived in part.
            kept = len(_PASTE_END) - 1
            text, rest = self._rest[:-kept], self._rest[-kept:]
        paste += text[: max(0, PASTE_LIMIT - len(paste))]
        self._rest = rest
        return self._pasted() if end else []

    def _pasted(self) -> list[Message]:
        assert self._paste is not None
        text = self._paste.decode("utf-8", "replace")
        self._paste = None
        return _paste(text)

    def _text(self, data: bytes, *, final: bool) -> list[Message]:
        if _QUIT_BYTE in data:
            return [events.Key(QUIT, "\x11")]  # nothing else matters any more
        text = self._decoder.decode(data, final=final)
        return _paste(text) if len(text) > BURST else self._parse(text)

    def _key(self, sequence: bytes) -> list[Message]:
        text = sequence.decode("utf-8", "replace")
        found = self._parse(text)
        if not found:
            # The parser waits for more of a sequence that is complete.
            parser, self._parser = self._parser, XTermParser()
            if len(text) == 2:
                found = list(parser.feed(""))  # Alt with a key
        return [message for message in found if not _is_size(message)]

    def _parse(self, text: str) -> list[Message]:
        try:
            return list(self._parser.feed(text)) if text else []
        except (ValueError, OverflowError, ArithmeticError):
            # A number in a sequence that cannot be the number of a character, or the like.
            self._parser = XTermParser()
            return []


def _paste(text: str) -> list[Message]:
    return [events.Paste(text[:PASTE_LIMIT].replace("\x00", ""))]


def _is_size(message: Message) -> bool:
    """Return whether a message is about the size, for which the system is asked instead.

    A report of the size also lets Textual switch mouse reports to pixels.
    """
    return isinstance(message, events.Resize | messages.InBandWindowResize)

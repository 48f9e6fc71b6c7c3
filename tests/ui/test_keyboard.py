"""The input thread sleeps while there is no input, misses none, and accepts any bytes."""

from __future__ import annotations

import os
import queue
import random
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import pytest
from textual import events
from textual.message import Message

from kmodtui.ui.terminal import keyboard
from kmodtui.ui.terminal.input import Input
from kmodtui.ui.terminal.keyboard import BURST, PASTE_LIMIT, Keyboard

# What sequences are made of, and characters in two encodings.
PARTS = "\x1b \x1b[ \x1bO \x1b] \x1b[200~ \x1b[201~ \x1b[M ; 9 \x1b[< M u ~ Ã© é \x07 \x1b\\ $ ?"


class Reading:
    """The input thread, with a pipe for a terminal, and without an application."""

    def __init__(self) -> None:
        self.terminal, self.keys = os.pipe()
        self.messages: queue.Queue[Message] = queue.Queue()
        self.lost = threading.Event()
        self.input = Input(self.terminal, take=self._take, on_lost=self.lost.set)
        self.input.start()

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.messages.put(message)

    def key(self) -> str:
        """Wait for a key and return its name."""
        message = self.messages.get(timeout=30)
        assert isinstance(message, events.Key)
        return message.key


@pytest.fixture
def reading() -> Iterator[Reading]:
    reading = Reading()
    yield reading
    reading.input.stop()
    assert not [t for t in threading.enumerate() if t.name == "terminal input"]
    os.close(reading.terminal)


def keys(messages: Iterable[Message]) -> list[str]:
    return [message.key for message in messages if isinstance(message, events.Key)]


def fed(*chunks: bytes) -> list[Message]:
    """What a keyboard makes of bytes that arrive in these parts, and of the end of them."""
    tested = Keyboard()
    found = [message for chunk in chunks for message in tested.feed(chunk)]
    while (wait := tested.wait) is not None:
        tested._last_input -= wait
        found += tested.expire()
    return found


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.3])
def test_esc_is_recognized_however_long_after_another_key(reading: Reading, seconds: float) -> None:
    os.write(reading.keys, b"a")
    assert reading.key() == "a"
    time.sleep(seconds)
    os.write(reading.keys, b"\x1b")
    assert reading.key() == "escape"


def test_half_a_character_and_no_character_at_all_end_nothing(reading: Reading) -> None:
    os.write(reading.keys, "ä".encode()[:1])
    time.sleep(0.05)
    os.write(reading.keys, "ä".encode()[1:] + b"\xffb")
    assert [reading.key() for _ in range(3)] == ["ä", "replacement_character", "b"]


def test_a_terminal_that_no_longer_exists_is_reported(reading: Reading) -> None:
    os.close(reading.keys)
    assert reading.lost.wait(30)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"\x1b[A", ["up"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b[[A", ["f1"]),
        (b"\x1b[3$", ["shift+delete"]),
        (b"\x1b[1;5C", ["ctrl+right"]),
        (b"\x1b[113;5u", ["ctrl+q"]),
        (b"\x1bx", ["alt+x"]),
        (b"\x1b[", ["left_square_bracket"]),
        (b"\x1bO", ["alt+shift+o"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1b", ["escape"]),
        ("é\x1b".encode(), ["é", "escape"]),
        (b"\x1b[999zj", ["j"]),  # no key: not `[`, `9` and so on
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\j", ["j"]),  # a late answer to another program
        (b"\x1bP1+r\x07j", ["j"]),
        (b"\x1b[M\xff\xe9\xfej", ["j"]),  # X10 mouse reports
        (b"\x1b[M\x1b[Aj", ["up", "j"]),
        (b"\x1b\x11", ["escape", "ctrl+q"]),  # over a slow connection, they arrive together
        (b"\x1b[M\x11", ["ctrl+q"]),
        (b"\x1b[12\x11", ["ctrl+q"]),
        (b"\x1b[12\xffj", ["replacement_character", "j"]),
        (b"\x1b[99999999999;5uj", ["j"]),  # no character
        (b"\x1b[" + b"9" * 5000 + b"uj", ["j"]),
        (b"\x1b[48;0;0;0;0t\x1b[<0;5;5Mj", ["j"]),  # a size of nothing
        (b"\xe9j", ["replacement_character", "j"]),
    ],
)
def test_sequences_are_keys_however_they_are_split(sent: bytes, expected: list[str]) -> None:
    assert keys(fed(sent)) == expected
    if not sent.startswith((b"\x1b]", b"\x1bP")):  # in parts, they are Alt with a key
        assert keys(fed(*(bytes([byte]) for byte in sent))) == expected


SLOWLY = [
    (b"\x1b[1~", "home"),
    (b"\x1b[4~", "end"),
    (b"\x1b[11~", "f1"),
    (b"\x1b[[A", "f1"),
    (b"\x1bOP", "f1"),
    (b"\x1b[A", "up"),
]


@pytest.mark.parametrize(("sent", "expected"), SLOWLY)
def test_a_key_over_a_slow_line_is_never_its_letters(sent: bytes, expected: str) -> None:
    tested = Keyboard()
    assert keys(slowly(tested, sent)) == ["escape", expected]  # the line is not known yet
    assert keys(slowly(tested, sent)) == [expected]
    tested.feed(b"\x1b")
    assert tested.wait is not None
    assert tested.wait > 0.2
    tested._last_input -= 1
    assert keys(tested.expire()) == ["escape"]


def slowly(tested: Keyboard, sent: bytes, seconds: float = 0.15) -> list[Message]:
    """Give bytes to a keyboard with a pause after each."""
    found = []
    for byte in sent:
        found += tested.feed(bytes([byte]))
        tested._last_input -= seconds
        found += tested.expire()
    return found


@pytest.mark.parametrize(("sent", "expected"), [
    (b"[", ["left_square_bracket"]),
    (b"O", ["O"]),
    (b"OK", ["O", "K"]),
    (b"[j", ["left_square_bracket", "j"]),
    (b"j", ["j"]),
])  # fmt: skip
def test_what_is_typed_after_esc_is_typed(sent: bytes, expected: list[str]) -> None:
    tested = Keyboard()
    found = slowly(tested, b"\x1b")
    for byte in sent:
        found += tested.feed(bytes([byte]))
        tested._last_input -= 0.35
        tested._escaped -= 0.35
        found += tested.expire()
    assert [message.key.replace("shift+", "") for message in found] == ["escape", *expected]  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", [b"\x07", b"\x1b\\"])
def test_an_answer_to_another_program_is_not_typed_if_it_arrives_in_parts(end: bytes) -> None:
    """As of a question for the background, over a slow connection: `b` would open a dialog."""
    sent = b"\x1b]11;rgb:bbbb/uuuu/+-+-" + end
    for cut in range(len(b"\x1b]11;"), len(sent)):
        assert keys(fed(sent[:cut], sent[cut:] + b"j")) == ["j"]
    assert keys(fed(b"\x1b]11;" + b"b" * 500, b"b" * 500, end + b"j")) == ["j"]
    assert keys(fed(b"\x1b]11;rgb", b"\x11")) == ["ctrl+q"]
    assert keys(fed(b"\x1b]11;rgb", b"\rj")) == ["enter", "j"]
    assert keys(fed(b"\x1b]1")) == ["right_square_bracket", "1"]


def test_pasted_text_is_one_message_however_it_is_split() -> None:
    sent = b"a\x1b[200~q\x1b[A\xff y\n\x1b[201~b"
    for parts in ([sent], [bytes([byte]) for byte in sent]):
        found = fed(*parts)
        assert keys(found) == ["a", "b"]
        (paste,) = [message for message in found if isinstance(message, events.Paste)]
        assert paste.text == "q\x1b[A\ufffd y\n"


def test_pasted_text_without_an_end_does_not_swallow_the_keys_for_ever() -> None:
    tested = Keyboard()
    assert tested.feed(b"\x1b[200~abc") == []
    wait = tested.wait
    assert wait is not None
    assert wait <= keyboard.PASTE_SILENCE
    tested._last_input -= wait
    (paste,) = tested.expire()
    assert isinstance(paste, events.Paste)
    assert paste.text == "abc"
    assert keys(tested.feed(b"j")) == ["j"]


def test_ctrl_q_is_recognized_within_pasted_text() -> None:
    assert keys(fed(b"\x1b[200~abc", b"\x11")) == ["ctrl+q"]
    assert keys(fed(b"y" * 1000 + b"\x11" + b"y" * 1000)) == ["ctrl+q"]


def test_a_burst_of_text_is_no_command() -> None:
    found = fed(b"y" * (BURST + 1))
    assert keys(found) == []
    assert [type(message) for message in found] == [events.Paste]
    assert keys(fed(b"y" * BURST)) == ["y"] * BURST


def test_pasted_text_is_limited() -> None:
    (paste,) = fed(b"\x1b[200~", *[b"x" * 4096] * 1000, b"\x1b[201~")
    assert isinstance(paste, events.Paste)
    assert len(paste.text) == PASTE_LIMIT


def test_random_bytes_leave_it_able_to_read_keys() -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    parts = [bytes(part, "latin-1") for part in PARTS.split(" ")]
    tested = Keyboard()
    for _ in range(20_000):
        tested.feed(dice.choice(parts) if dice.random() < 0.8 else dice.randbytes(8))
        if dice.random() < 0.05:
            tested._last_input = 0.0
            tested.expire()
    tested._last_input = 0.0
    tested.expire()
    assert keys(tested.feed(b"j"))[-1] == "j"

"""Counts work instead of measuring time: the same number on every machine.

A function is linear if twice the input takes about twice the work. Python code is counted in
lines that run, regular expressions in steps of a backtracking engine, and bytes and texts in
what is copied and searched.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

PACKAGE = f"{__file__.partition('/tests/')[0]}/kmodtui/"


def lines_run(function: Callable[[], Any]) -> int:
    """Return how many lines of kmodtui run while a function runs."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


class CountedBytes(bytes):
    """Bytes that count how many of them are copied or searched."""

    read = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, bytes):
            CountedBytes.read += len(found)
            return CountedBytes(found)
        return found

    def __add__(self, other: bytes) -> CountedBytes:
        CountedBytes.read += len(self) + len(other)
        return CountedBytes(bytes(self) + other)

    def count(self, sub: Any, *bounds: Any) -> int:
        start, end = (*bounds, *(0, len(self))[len(bounds) :])
        CountedBytes.read += end - start
        return super().count(sub, *bounds)


class CountedText(str):
    """A text that counts how many of its characters are copied."""

    copied = 0

    def __getitem__(self, key: Any) -> str:
        found = super().__getitem__(key)
        CountedText.copied += len(found)
        return found


class TooManyStepsError(Exception):
    """A regular expression takes more steps than were allowed."""


class Steps:
    """A backtracking engine for regular expressions that counts its steps.

    It does what Python's does, without its shortcuts.
    """

    def __init__(self, pattern: re.Pattern[Any], limit: int = 2_000_000) -> None:
        text = pattern.pattern
        self._tree = parser.parse(text, pattern.flags & ~re.DEBUG)
        self._flags = pattern.flags
        self._limit = limit
        self.count = 0

    def search(self, text: str) -> bool:
        """Return whether the pattern matches anywhere; counts the steps."""
        return any(self.match(text, start) for start in range(len(text) + 1))

    def match(self, text: str, start: int = 0) -> bool:
        """Return whether the pattern matches at a position; counts the steps."""
        self._text = text
        return next(self._sequence(list(self._tree), start), None) is not None

    def _step(self) -> None:
        self.count += 1
        if self.count > self._limit:
            raise TooManyStepsError

    def _sequence(self, nodes: list[Any], at: int) -> Iterator[int]:
        if not nodes:
            yield at
            return
        for end in self._node(nodes[0], at):
            yield from self._sequence(nodes[1:], end)

    def _node(self, node: Any, at: int) -> Iterator[int]:
        self._step()
        kind, value = node
        if kind is c.SUBPATTERN:
            yield from self._sequence(list(value[3]), at)
        elif kind is c.BRANCH:
            for branch in value[1]:
                yield from self._sequence(list(branch), at)
        elif kind in (c.MAX_REPEAT, c.MIN_REPEAT):
            yield from self._repeat(value, at, lazy=kind is c.MIN_REPEAT)
        elif kind is c.POSSESSIVE_REPEAT:
            yield from self._first(self._repeat(value, at, lazy=False))
        elif kind is c.ATOMIC_GROUP:
            yield from self._first(self._sequence(list(value), at))
        elif kind in (c.ASSERT, c.ASSERT_NOT):
            if self._asserted(value, at) is (kind is c.ASSERT):
                yield at
        elif kind is c.AT:
            if self._is_at(value, at):
                yield at
        elif at < len(self._text) and self._is_in(node, self._text[at]):
            yield at + 1

    @staticmethod
    def _first(ends: Iterator[int]) -> Iterator[int]:
        end = next(ends, None)
        if end is not None:
            yield end

    def _asserted(self, value: Any, at: int) -> bool:
        direction, nodes = value
        if direction > 0:
            return next(self._sequence(list(nodes), at), None) is not None
        low, _ = nodes.getwidth()
        start = at - low
        return start >= 0 and next(self._sequence(list(nodes), start), None) is not None

    def _repeat(self, value: Any, at: int, *, lazy: bool) -> Iterator[int]:
        least, most, nodes = value
        inner = list(nodes)
        # Iterators instead of recursion: a repetition can be long.
        stack: list[tuple[int, Iterator[int]]] = []
        position, done = at, 0
        if lazy:
            while done < least:
                end = next(self._sequence(inner, position), None)
                if end is None:
                    return
                position, done = end, done + 1
            while True:
                yield position
                end = next(self._sequence(inner, position), None)
                if end is None or end == position or done == most:
                    return
                position, done = end, done + 1
        stack.append((at, self._sequence(inner, at)))
        while stack:
            position, ends = stack[-1]
            end = next(ends, None) if len(stack) <= most else None
            self._step()
            if end is not None and end != position:
                stack.append((end, self._sequence(inner, end)))
                continue
            stack.pop()
            if len(stack) >= least:
                yield position

    def _is_at(self, value: Any, at: int) -> bool:
        text = self._text
        if value in (c.AT_BEGINNING, c.AT_BEGINNING_STRING):
            lines = self._flags & re.MULTILINE and value is c.AT_BEGINNING
            return at == 0 or bool(lines and text[at - 1] == "\n")
        if value in (c.AT_END, c.AT_END_STRING):
            return at >= len(text) - (value is c.AT_END and text.endswith("\n"))
        before = at > 0 and (text[at - 1].isalnum() or text[at - 1] == "_")
        after = at < len(text) and (text[at].isalnum() or text[at] == "_")
        return (before != after) is (value is c.AT_BOUNDARY)

    def _is_in(self, node: Any, char: str) -> bool:
        kind, value = node
        if kind is c.ANY:
            return char != "\n" or bool(self._flags & re.DOTALL)
        if kind is c.IN:
            negated = value[0][0] is c.NEGATE
            return negated is not any(self._is_in(each, char) for each in value[negated:])
        if kind is c.CATEGORY:
            return _is_of(value, char)
        if kind is c.RANGE:
            return value[0] <= ord(char) <= value[1]
        same = ord(char) == value
        if self._flags & re.IGNORECASE:
            same = char.lower() == chr(value).lower()
        return same is (kind is not c.NOT_LITERAL)


def _is_of(category: Any, char: str) -> bool:
    word = char.isalnum() or char == "_"
    return {
        c.CATEGORY_DIGIT: char.isdigit(),
        c.CATEGORY_NOT_DIGIT: not char.isdigit(),
        c.CATEGORY_SPACE: char.isspace(),
        c.CATEGORY_NOT_SPACE: not char.isspace(),
        c.CATEGORY_WORD: word,
        c.CATEGORY_NOT_WORD: not word,
    }[category]


# Texts that make a pattern work hard


def attacks(pattern: re.Pattern[Any]) -> list[tuple[str, str]]:
    """Return pairs of a beginning and a part to repeat, one for each repetition of a pattern."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    found = list(dict.fromkeys(_attacks(list(tree), "")))
    whole = "".join(_samples(node)[0] for node in tree)
    return [*found, ("", whole), ("", whole[:-1])]


def _attacks(nodes: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for kind, value in nodes:
        if kind is c.SUBPATTERN:
            yield from _attacks(list(value[3]), before)
        elif kind is c.BRANCH:
            for branch in value[1]:
                yield from _attacks(list(branch), before)
        elif kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT) and value[1] > 10:
            inner = [_samples(node) for node in value[2]]
            parts = ["".join(samples[0] for samples in inner), *inner[0]]
            for part in dict.fromkeys((*parts, "".join(parts), " ")):
                yield before, part
                yield "", part
                yield "", before + part
        before += _samples((kind, value))[0]


def _samples(node: Any) -> list[str]:
    """Return texts that a node matches, the first one always."""
    kind, value = node
    if kind is c.LITERAL:
        return [chr(value)]
    if kind in (c.NOT_LITERAL, c.ANY):
        return ["a", "1", " "]
    if kind is c.IN:
        if value[0][0] is c.NEGATE:
            return ["a", "1", " "]
        return [text for each in value for text in _samples(each)]
    if kind is c.RANGE:
        return [chr(value[0])]
    if kind is c.CATEGORY:
        texts = {c.CATEGORY_DIGIT: ["1"], c.CATEGORY_SPACE: [" "], c.CATEGORY_WORD: ["a", "1"]}
        return texts.get(value, ["."])
    if kind is c.SUBPATTERN:
        return ["".join(_samples(each)[0] for each in value[3])]
    if kind is c.BRANCH:
        return ["".join(_samples(each)[0] for each in branch) for branch in value[1]]
    if kind in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        return ["".join(_samples(each)[0] for each in value[2]) * max(1, value[0])]
    return [""]

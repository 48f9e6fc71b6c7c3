"""The lines on which the keys of a TOML file are set: Python's parser does not say."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

_LONGEST = 200
"""Lines of one value; with more, the rest of the file has no line numbers."""


def key_lines(text: str) -> dict[str, int]:
    """Return the number of the line where each key of a valid TOML document is set.

    Args:
        text: the document.

    Returns:
        A map from keys with the names of their tables, as `keys.dashboard.load`, and from
        the tables, to line numbers from 1.
    """
    found: dict[str, int] = {}
    table: tuple[str, ...] = ()
    for number, statement, value in _statements(text):
        if statement.lstrip().startswith("["):
            table = next(_paths(value))
            found.setdefault(".".join(table), number)
            continue
        for path in _paths(value):
            whole = table + path
            for length in range(1, len(whole) + 1):
                found.setdefault(".".join(whole[:length]), number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield each statement with its line and what it means alone: a key, or the head of a table.

    A statement ends with the first line up to which it can be parsed.
    """
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        lines.append(line)
        statement = "\n".join(lines)
        try:
            value = tomllib.loads(statement)
        except (ValueError, RecursionError):
            if len(lines) > _LONGEST:
                return
            continue
        if value:
            yield number - len(lines) + 1, statement, value
        lines = []


def _paths(value: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path of each key that is set, or of the empty table."""
    for key, below in value.items():
        if isinstance(below, dict) and below:
            yield from ((key, *path) for path in _paths(below))
        else:
            yield (key,)

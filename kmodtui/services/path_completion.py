"""Completes a path that is being typed, as a shell does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from kmodtui.model.text import clean

MOST = 200
"""Largest number of candidates."""


@dataclass(frozen=True, slots=True)
class Completion:
    """How a path can go on.

    Attributes:
        text: the path as far as all candidates have it in common; never shorter than typed.
        candidates: the names that begin like the last part; directories end with a slash.
    """

    text: str
    candidates: tuple[str, ...] = ()


def complete_path(text: str, base: Path) -> Completion:
    """Return how a path can go on. Reads a directory: not for the event loop.

    Args:
        text: what was typed; `~` is the home directory.
        base: the directory that a relative path begins in.
    """
    if text in ("~", ".", ".."):
        return Completion(f"{text}/")
    directory, slash, start = text.rpartition("/")
    try:
        place = base / Path(f"{directory}{slash}").expanduser()
        with os.scandir(place) as entries:
            names = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in entries
                # A name that a terminal cannot show could not be chosen by what it shows.
                if entry.name.startswith(start) and clean(entry.name) == entry.name
                if start.startswith(".") or not entry.name.startswith(".")
            )
    except (OSError, RuntimeError, ValueError):
        return Completion(text)
    if not names:
        return Completion(text)
    # What the first and the last in order have in common, all between them have, too.
    same = takewhile(lambda pair: pair[0] == pair[1], zip(names[0], names[-1], strict=False))
    common = "".join(letter for letter, _ in same)
    return Completion(f"{directory}{slash}{common}", tuple(names[:MOST]))

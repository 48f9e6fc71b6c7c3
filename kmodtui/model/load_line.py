"""The line that asks for a module: its name, and parameters behind it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_PARAMETERS = re.compile(r"\s+(?=[^\s=]+=)")


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What is to be loaded.

    Attributes:
        name: a module or alias; the path of a file if that is to be inserted.
        parameters: `key=value`.
        verb: `load`, or `insert` for a file.
        digest: SHA-256 of the file that was checked; empty for a module.
    """

    name: str
    parameters: tuple[str, ...]
    verb: str = "load"
    digest: str = ""


def query_of(line: str) -> str:
    """Return what a line asks for, without the parameters behind it."""
    return _PARAMETERS.split(line.strip(), maxsplit=1)[0]


def split_line(line: str) -> tuple[str, tuple[str, ...]]:
    """Return what a line asks for, and its parameters.

    Raises:
        ValueError: it makes no sense; the text says why.
    """
    query, *rest = _PARAMETERS.split(line.strip(), maxsplit=1)
    try:
        words = shlex.split(rest[0]) if rest else []
        if not rest:
            shlex.split(query)
    except ValueError as error:
        raise ValueError(f"The quotes do not match: {error}.") from None
    bad = next((word for word in words if "=" not in word), None)
    if bad is not None:
        raise ValueError(f"“{bad}” is no parameter: they are written key=value.")
    return query, tuple(words)

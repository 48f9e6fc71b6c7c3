"""Parsing the input line of the load dialog: a module, followed by parameters."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_PARAMETERS = re.compile(r"(?<!\s)\s++(?=[^\s=]++=)")


RESTRICT = "restrict"
"""The verb of a request to blacklist or block a module instead of loading it."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to load.

    Attributes:
        name: a module name or alias, or the path of a file to insert.
        parameters: `key=value` each.
        verb: `load`, `insert` for a file, or RESTRICT.
        digest: SHA-256 of the file that was checked; empty for a module name.
    """

    name: str
    parameters: tuple[str, ...]
    verb: str = "load"
    digest: str = ""

    @property
    def restricts(self) -> bool:
        """Whether the module is to be blacklisted or blocked."""
        return self.verb == RESTRICT


def query_of(line: str) -> str:
    """Return the line without its parameters: a module name, alias, path or search text."""
    return _PARAMETERS.split(line.strip(), maxsplit=1)[0]


def split_line(line: str) -> tuple[str, tuple[str, ...]]:
    """Return the module name, alias or path in a line, and its parameters.

    Raises:
        ValueError: quotes do not match, or a word is not `key=value`.
    """
    query, *rest = _PARAMETERS.split(line.strip(), maxsplit=1)
    try:
        words = shlex.split(rest[0]) if rest else []
        if not rest:
            shlex.split(query)
    except ValueError as error:
        raise ValueError(f"Unbalanced quotes: {error}.") from None
    bad = next((word for word in words if "=" not in word), None)
    if bad is not None:
        raise ValueError(f"“{bad}” is not a parameter: write parameters as key=value.")
    return query, tuple(words)

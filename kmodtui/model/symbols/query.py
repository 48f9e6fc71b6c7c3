"""The query language for symbols.

- ioctl                 names that contain the text; several words must all match
- =kfree                exactly this name
- re:^btrfs_.*ioctl$    names that match a regular expression
- m:btrfs               symbols of this module, or of modules whose name contains it; m:kernel
- t:dD                  symbols of one of these types; case matters
- ffffffffc0442010      the symbol that contains this address, with or without 0x
- xor_blocks+0x1f/0x40  a place as printed in an oops, optionally followed by [xor]
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import clean

KERNEL = "kernel"
"""Stands for the kernel itself in place of a module name."""

MAX_LENGTH = 512
"""Maximum length of a query: that of the longest symbol name (KSYM_NAME_LEN)."""

_PLACE = re.compile(
    r"(?P<name>[A-Za-z_.$][\w.$]*)\+(?:0x)?(?P<offset>[0-9a-f]{1,16})"
    r"(?:/(?:0x)?(?P<size>[0-9a-f]{1,16}))?(?:\s+\[(?P<owner>[\w-]+)[^\]]*\])?"
)
_ADDRESS = re.compile(r"\[?<?(?:0x[0-9a-f]{4,16}|[0-9a-f]{8,16})>?\]?", re.IGNORECASE)


class QueryError(KmodtuiError):
    """A query for symbols is invalid."""

    title = "Invalid search"
    exit_code = 2


class Facet(StrEnum):
    """Which kinds of symbols to show."""

    ALL = "all"
    FUNCTIONS = "functions"
    EXPORTED = "exported"

    @property
    def next(self) -> Facet:
        """The next choice; the first one follows the last."""
        facets = list(Facet)
        return facets[(facets.index(self) + 1) % len(facets)]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the kernel's memory, given as an address or as symbol and offset.

    Attributes:
        address: its address; None if it is given as symbol and offset.
        name: the symbol that contains it; empty if it is given as an address.
        offset: bytes from the start of that symbol.
        size: size of that symbol in bytes, as in the oops; 0 if not given.
        owner: the module that contains it; empty if not given.
    """

    address: int | None = None
    name: str = ""
    offset: int = 0
    size: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A query for symbols; a symbol has to meet all conditions.

    Attributes:
        words: texts that the name has to contain.
        exact: the whole name; empty for any.
        suffixed: whether `exact` may be followed by suffixes of a compiler, as in
            `kfree.isra.0`.
        pattern: a regular expression that has to match somewhere in the name.
        owner: all or part of the owner's name; `kernel` for the kernel itself; empty for any.
        types: the symbol types, one of which it has to have; empty for any.
        facet: the kinds of symbols to show.
        place: a place that it has to contain; if given, the other conditions do not apply.
    """

    words: tuple[bytes, ...] = ()
    exact: bytes = b""
    suffixed: bool = False
    pattern: re.Pattern[bytes] | None = None
    owner: str = ""
    types: str = ""
    facet: Facet = Facet.ALL
    place: Place | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it matches every symbol."""
        return self == Query()


def parse_query(text: str, facet: Facet = Facet.ALL, *, places: bool = True) -> Query:
    """Return the query that a text stands for.

    Args:
        text: as typed.
        facet: the kinds of symbols to show.
        places: whether to look up what looks like an address, instead of searching for it.

    Raises:
        QueryError: it is too long, or its regular expression is invalid.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"The search text is too long: at most {MAX_LENGTH} characters.")
    place = _place(text) if places else None
    if place is not None:
        return Query(place=place)
    words: list[bytes] = []
    exact, owner, types = b"", "", ""
    pattern = None
    for word in text.split():
        if word.startswith("re:"):
            pattern = _compiled(word[3:]) or pattern
        elif word.startswith("m:"):
            owner = word[2:].replace("-", "_")
        elif word.startswith("t:"):
            types = word[2:]
        elif word.startswith("="):
            exact = _bytes(word[1:])
        else:
            words.append(_bytes(word))
    return Query(tuple(words), exact, False, pattern, owner, types, facet)


def _place(text: str) -> Place | None:
    found = _PLACE.search(text)
    if found is not None and not text.lstrip().startswith(("re:", "=")):
        return Place(
            None,
            found["name"],
            int(found["offset"], 16),
            int(found["size"] or "0", 16),
            (found["owner"] or "").replace("-", "_"),
        )
    word = text.strip()
    if _ADDRESS.fullmatch(word):
        return Place(address=int(word.strip("[]<>"), 16))
    return None


def _compiled(pattern: str) -> re.Pattern[bytes] | None:
    if not pattern:
        return None
    try:
        with warnings.catch_warnings():
            # Python would print a FutureWarning about `[[` onto the screen.
            warnings.simplefilter("ignore")
            return re.compile(_bytes(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise QueryError(
            f"{clean(pattern)} is not a valid regular expression: {clean(str(error))}.",
            "Leave out re: to search for it literally.",
        ) from None


def _bytes(text: str) -> bytes:
    # A command line argument can contain bytes that are not UTF-8.
    return text.encode(errors="surrogateescape")

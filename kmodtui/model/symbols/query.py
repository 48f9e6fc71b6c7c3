"""The query language for symbols.

- ioctl !compat         names that contain the text, or do not; all words must match
- =kfree                exactly this name
- re:^btrfs_.*ioctl$    names that match a regular expression
- /^btrfs_.*ioctl$/     the same, also with blanks
- m:btrfs module:btrfs  symbols of this module, or of modules whose name contains it; m:kernel
- t:dD type:dD          symbols of one of these types; case matters
- @name                 a filter of the configuration
- ffffffffc0442010      the symbol that contains this address, with or without 0x
- xor_blocks+0x1f/0x40  a place as printed in an oops, optionally followed by [xor]
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import NO_NAMED, parse_filter
from kmodtui.model.filter.terms import Comparison, Pattern, Word
from kmodtui.model.text import clean

KERNEL = "kernel"
"""Stands for the kernel itself in place of a module name."""

MAX_LENGTH = 512
"""Maximum length of a query: that of the longest symbol name (KSYM_NAME_LEN)."""

_PLACE = re.compile(
    r"(?P<name>[A-Za-z_.$][\w.$]*)\+(?:0x)?(?P<offset>[0-9a-f]{1,16})"
    r"(?:/(?:0x)?(?P<size>[0-9a-f]{1,16}))?(?:\s+\[(?P<owner>[\w-]+)[^\]]*\])?"
)
_PATTERN = re.compile(r"(?<!\S)re:(\S*)")
_PREFIX = re.compile(r"(?<!\S)!?(?:m|t|module|type):(?!\S)")
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
        patterns: regular expressions, and for each whether it has to match somewhere in the name
            or must not.
        owner: all or part of the owner's name; `kernel` for the kernel itself; empty for any.
        types: the symbol types, one of which it has to have; empty for any.
        facet: the kinds of symbols to show.
        unwanted: texts that the name must not contain.
        unwanted_owners: parts of the names of owners whose symbols are left out.
        unwanted_types: the symbol types that it must not have.
        place: a place that it has to contain; if given, the other conditions do not apply.
    """

    words: tuple[bytes, ...] = ()
    exact: bytes = b""
    suffixed: bool = False
    patterns: tuple[tuple[re.Pattern[bytes], bool], ...] = ()
    owner: str = ""
    types: str = ""
    facet: Facet = Facet.ALL
    unwanted: tuple[bytes, ...] = ()
    unwanted_owners: tuple[str, ...] = ()
    unwanted_types: str = ""
    place: Place | None = None

    @property
    def only_words(self) -> bool:
        """Whether nothing but words and the owner decides about a name."""
        others = (self.patterns, self.exact, self.types, self.unwanted, self.unwanted_types)
        return not any(others) and self.facet is Facet.ALL

    @property
    def is_empty(self) -> bool:
        """Whether it matches every symbol."""
        return self == Query()


def parse_query(
    text: str,
    facet: Facet = Facet.ALL,
    *,
    places: bool = True,
    named: Mapping[str, str] = NO_NAMED,
) -> Query:
    """Return the query that a text stands for.

    Args:
        text: as typed.
        facet: the kinds of symbols to show.
        places: whether to look up what looks like an address, instead of searching for it.
        named: the named filters of the configuration.

    Raises:
        QueryError: it is too long, or its regular expression is invalid.
        FilterError: a term of another kind is invalid.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"The search text is too long: at most {MAX_LENGTH} characters.")
    place = _place(text) if places else None
    if place is not None:
        return Query(place=place)
    patterns = [(_compiled(found[1]), True) for found in _PATTERN.finditer(text) if found[1]]
    words: dict[bool, list[bytes]] = {True: [], False: []}
    owner, types, unwanted_types = "", "", ""
    unwanted_owners: list[str] = []
    exact = b""
    # A prefix without a value, as it is being typed, asks for nothing.
    rest = _PREFIX.sub("", _PATTERN.sub("", text))
    for term in parse_filter(rest, FilterKind.SYMBOLS, named).terms:
        wanted = not term.negated
        match term:
            case Pattern():
                patterns.append((_compiled(term.pattern.pattern), wanted))
            case Word() if term.text.startswith("=") and wanted:
                exact = _bytes(term.text[1:])
            case Word():
                words[wanted].append(_bytes(term.text))
            case Comparison() if term.field.name == "module":
                name = term.typed.removeprefix("=").replace("-", "_")
                if wanted:
                    owner = name
                else:
                    unwanted_owners.append(name)
            case Comparison() if wanted:
                types = term.typed
            case Comparison():
                unwanted_types += term.typed
    return Query(
        words=tuple(words[True]),
        exact=exact,
        patterns=tuple(patterns),
        owner=owner,
        types=types,
        facet=facet,
        unwanted=tuple(words[False]),
        unwanted_owners=tuple(unwanted_owners),
        unwanted_types=unwanted_types,
    )


def _place(text: str) -> Place | None:
    found = _PLACE.search(text)
    if found is not None and not text.lstrip().startswith(("re:", "=", "/", "!")):
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


def _compiled(pattern: str) -> re.Pattern[bytes]:
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

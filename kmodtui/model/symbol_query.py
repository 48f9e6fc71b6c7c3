"""What a person types to find symbols, understood or refused with a sentence.

- ioctl                 the name contains it; several words must all be in it
- =kfree                the name is exactly this
- re:^btrfs_.*ioctl$    a regular expression finds something in the name
- m:btrfs               of this module, or of those with it in their name; m:kernel
- t:dD                  with one of these type letters, as they stand
- ffffffffc0442010      the symbol that contains this address; also with 0x before it
- xor_blocks+0x1f/0x40  a place as an oops tells it; [xor] may stand behind it
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.errors import KmodtuiError
from kmodtui.model.text import clean

KERNEL = "kernel"
"""What is typed for the kernel itself where a module's name is expected."""

MAX_LENGTH = 512
"""Characters that are taken: as long as the longest name."""

_PLACE = re.compile(
    r"(?P<name>[A-Za-z_.$][\w.$]*)\+(?:0x)?(?P<offset>[0-9a-f]{1,16})"
    r"(?:/(?:0x)?(?P<size>[0-9a-f]{1,16}))?(?:\s+\[(?P<owner>[\w-]+)[^\]]*\])?"
)
_ADDRESS = re.compile(r"\[?<?(?:0x[0-9a-f]{4,16}|[0-9a-f]{8,16})>?\]?", re.IGNORECASE)


class QueryError(KmodtuiError):
    """What was typed to find symbols makes no sense."""

    title = "Cannot search for that"
    exit_code = 2


class Facet(StrEnum):
    """Which symbols are shown at all."""

    ALL = "all"
    FUNCTIONS = "functions"
    EXPORTED = "exported"

    @property
    def next(self) -> Facet:
        """The one that follows, all again after the last."""
        facets = list(Facet)
        return facets[(facets.index(self) + 1) % len(facets)]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the kernel's memory.

    Attributes:
        address: where it is; None if it was told by a name.
        name: the symbol that it lies in; empty if it was told by an address.
        offset: bytes behind the beginning of that symbol.
        size: bytes of that symbol as the oops has it; 0 if it was not told.
        owner: the module it is said to be in; empty if none was said.
    """

    address: int | None = None
    name: str = ""
    offset: int = 0
    size: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What a row has to be like to be shown: everything of this at once.

    Attributes:
        words: parts that its name has to contain.
        exact: its whole name; empty for any.
        pattern: has to find something in its name.
        owner: part of its owner's name, or all of it; `kernel` for the kernel itself.
        types: type letters of which it has to have one; empty for any.
        facet: what is shown at all.
        place: a place it has to contain, and then nothing else matters.
    """

    words: tuple[bytes, ...] = ()
    exact: bytes = b""
    pattern: re.Pattern[bytes] | None = None
    owner: str = ""
    types: str = ""
    facet: Facet = Facet.ALL
    place: Place | None = None

    @property
    def asks_nothing(self) -> bool:
        """Whether every row is shown."""
        return self == Query()


def parse_query(text: str, facet: Facet = Facet.ALL, *, places: bool = True) -> Query:
    """Return what was typed as a query.

    Args:
        text: as it was typed.
        facet: which symbols are shown at all.
        places: whether what looks like an address is one.

    Raises:
        QueryError: it is too long, or its regular expression is none.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"That is longer than any name: {MAX_LENGTH} characters are taken.")
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
    return Query(tuple(words), exact, pattern, owner, types, facet)


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
            # Python would print its doubts about `[[` onto the screen.
            warnings.simplefilter("ignore")
            return re.compile(_bytes(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise QueryError(
            f"{clean(pattern)} is no regular expression: {clean(str(error))}.",
            "Without re: it is searched for as it stands.",
        ) from None


def _bytes(text: str) -> bytes:
    # An argument of the command line can hold bytes that are no text.
    return text.encode(errors="surrogateescape")

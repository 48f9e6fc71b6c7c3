"""Parses filters.

    btrfs !xor            words that a line has to contain, or must not contain
    "link is up"          a text with blanks, or with characters that mean something else
    /^snd_.*codec$/       a regular expression
    size>1M refs:0        fields
    state:live,loading    one of several values
    @unused               a named filter of the configuration

All terms have to match. `model/filter/fields.py` has the table of fields.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from kmodtui.model.did_you_mean import did_you_mean, near
from kmodtui.model.filter.fields import SHORT, FieldType, FilterKind, fields_of
from kmodtui.model.filter.terms import Comparison, FilterError, Pattern, Source, Term, Word
from kmodtui.model.filter.values import parsed
from kmodtui.model.text import clean

T = TypeVar("T")

MAX_LENGTH = 512
"""Maximum length of a filter, in characters."""

NO_NAMED: Mapping[str, str] = MappingProxyType({})

_TOKEN = re.compile(
    r"""\s*(?P<not>!?)(?:
        /(?P<regex>(?:[^/\\]|\\.|/(?!\s|$))+)/(?=\s|$)
      | "(?P<quoted>[^"]*)"?
      | @(?P<named>[A-Za-z][\w-]*)(?=\s|$)
      | (?P<field>[a-z][a-z-]*)(?P<comparison>[<>]=?|:)(?P<value>"[^"]*"?|\S*)
      | (?P<word>\S+)
    )?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter; a line has to match all its terms.

    Attributes:
        text: as it was typed.
        terms: what it asks for.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words that matching lines contain, to be highlighted."""
        return tuple(t.text for t in self.terms if isinstance(t, Word) and not t.negated)

    @property
    def has_pattern(self) -> bool:
        """Whether there is a regular expression, which can take arbitrarily long."""
        return any(isinstance(term, Pattern) for term in self.terms)

    def asks_for(self, *fields: str) -> bool:
        """Return whether a term is about one of these fields."""
        return any(isinstance(t, Comparison) and t.field.name in fields for t in self.terms)

    def select(self, source: Source[T], items: Sequence[T]) -> list[T]:
        """Return the items that match, in their order.

        With `has_pattern`, the caller has to limit the time: see `services.filtering`.
        """
        chosen = list(items)
        for term in self.terms:
            chosen = term.select(source, chosen)
        return chosen


ALL = Filter()
"""The filter that every line matches."""


def parse_filter(text: str, kind: FilterKind, named: Mapping[str, str] = NO_NAMED) -> Filter:
    """Return the filter that a text stands for.

    Args:
        text: as typed.
        kind: what is filtered, which decides what fields there are.
        named: the named filters of the configuration.

    Raises:
        FilterError: the text is not a filter for this kind; says why, and what to write.
    """
    terms = tuple(_terms(text, kind, named, ()))
    # Words are the fastest to look for, regular expressions the slowest.
    order = {Word: 0, Comparison: 1, Pattern: 2}
    return Filter(text, tuple(sorted(terms, key=lambda term: order[type(term)])))


def _terms(
    text: str, kind: FilterKind, named: Mapping[str, str], within: tuple[str, ...]
) -> Iterator[Term]:
    if len(text) > MAX_LENGTH:
        raise FilterError(f"The filter is too long: at most {MAX_LENGTH} characters.")
    for token in _TOKEN.finditer(text):
        negated = bool(token["not"])
        if token["regex"] is not None:
            yield Pattern(_compiled(token["regex"]), negated)
        elif token["quoted"]:
            yield Word(token["quoted"], negated)
        elif token["named"] is not None:
            yield from _named(token["named"], kind, named, within, negated=negated)
        elif token["field"] is not None:
            yield _field(token, kind, negated=negated)
        elif token["word"] is not None:
            yield Word(token["word"], negated)


def _field(token: re.Match[str], kind: FilterKind, *, negated: bool) -> Term:
    name, comparison = token["field"], token["comparison"]
    value = token["value"].strip('"')
    name = SHORT.get(kind, {}).get(name, name)
    fields = fields_of(kind)
    field = fields.get(name)
    if field is None:
        whole = token[0].strip().removeprefix("!")
        if not value:  # as in messages: `nouveau:`
            return Word(whole, negated)
        question = did_you_mean(near(name, tuple(fields)))
        if not question and fields:
            question = f"The fields are {', '.join(fields)}."
        raise FilterError(
            f"There is no field “{name}” for {kind}.",
            f'{question} Put the text in quotes to search for it: "{clean(whole)}"'.strip(),
        )
    if comparison != ":" and not field.type.is_number:
        raise FilterError(
            f"{name} cannot be compared with < or >.", f"Write a colon, as in {field.example}."
        )
    if not value:
        raise FilterError(f"{name}: the value is missing.", f"Write {field.takes}.")
    if field.type.is_number:
        return Comparison(field, comparison, parsed(field, value), negated, value)
    values = [parsed(field, each) for each in value.split(",") if each]
    if len(values) == 1:
        return Comparison(field, ":", values[0], negated, value)
    if field.type is FieldType.CHOICE and values:
        return Comparison(field, ":", frozenset().union(*values), negated, value)
    raise FilterError(f"{name} takes one value.", f"Write it as in {field.example}.")


def _named(
    name: str,
    kind: FilterKind,
    named: Mapping[str, str],
    within: tuple[str, ...],
    *,
    negated: bool,
) -> Iterator[Term]:
    if name not in named:
        hint = did_you_mean([f"@{each}" for each in near(name, named)])
        hint = hint or "Named filters are in the table [filters] of the configuration."
        raise FilterError(f"There is no filter @{name}.", hint)
    if name in within:
        raise FilterError(f"The filter @{name} refers to itself.", "Correct it in [filters].")
    terms = tuple(_terms(named[name], kind, named, (*within, name)))
    if not negated:
        yield from terms
    elif len(terms) == 1:
        yield _opposite(terms[0])
    else:
        raise FilterError(
            f"!@{name} is not possible: @{name} has more than one term.",
            "Write its terms one by one, with ! where a term must not match.",
        )


def _opposite(term: Term) -> Term:
    from dataclasses import replace

    return replace(term, negated=not term.negated)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            # Python would print a FutureWarning about `[[` onto the screen.
            warnings.simplefilter("ignore")
            return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise FilterError(
            f"/{clean(text)}/ is not a valid regular expression: {clean(str(error))}.",
            "Put it in quotes to search for it literally.",
        ) from None

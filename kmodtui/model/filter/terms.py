"""The terms of a filter: a word, a regular expression, or a field with a value."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kmodtui.errors import KmodtuiError
from kmodtui.model.filter.fields import Field, FieldType, FilterKind

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Value = str | int | bool | tuple[str, ...] | None
"""A value of a field; None if it is unknown, and then no term with the field matches."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ":": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class FilterError(KmodtuiError):
    """A filter is invalid."""

    title = "Invalid filter"
    exit_code = 2


class Source(Protocol[T_contra]):
    """What a filter has to know about the lines of a list."""

    kind: FilterKind

    def text(self, item: T_contra) -> str:
        """Return the text in which words and regular expressions are searched."""
        ...

    def value(self, item: T_contra, field: str) -> Value:
        """Return the value of a field."""
        ...


def folded(text: str) -> str:
    """Return a text or a module's name as it is compared."""
    return text.casefold().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Word:
    """A text that a line has to contain, whatever the case.

    Attributes:
        text: as it was typed.
        negated: whether lines must not contain it.
    """

    text: str
    negated: bool = False

    def select(self, source: Source[T], items: Sequence[T]) -> list[T]:
        """Return the items that match."""
        needle, text, negated = folded(self.text), source.text, self.negated
        if "_" not in needle:  # the usual case, without what `folded` does besides
            return [item for item in items if (needle in text(item).casefold()) is not negated]
        return [
            item
            for item in items
            if (needle in text(item).casefold().replace("-", "_")) is not negated
        ]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that has to match somewhere in a line.

    Attributes:
        pattern: the expression.
        negated: whether it must not match.
    """

    pattern: re.Pattern[str]
    negated: bool = False

    def select(self, source: Source[T], items: Sequence[T]) -> list[T]:
        """Return the items that match; it can take arbitrarily long."""
        search, text, negated = self.pattern.search, source.text, self.negated
        return [item for item in items if (search(text(item)) is None) is negated]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field with a value.

    Attributes:
        field: the field.
        comparison: a key of COMPARISONS.
        value: to compare with, see `values.parsed`.
        negated: whether it must not match.
        typed: the value as it was typed.
    """

    field: Field
    comparison: str
    value: Any
    negated: bool = False
    typed: str = ""

    def select(self, source: Source[T], items: Sequence[T]) -> list[T]:
        """Return the items that match; those whose value is unknown do not."""
        name, negated, matches = self.field.name, self.negated, self.matches
        chosen = []
        for item in items:
            value = source.value(item, name)
            if value is not None and matches(value) is not negated:
                chosen.append(item)
        return chosen

    def matches(self, value: Any) -> bool:
        """Return whether a value of the field is one that was asked for."""
        match self.field.type:
            case FieldType.NUMBER | FieldType.SIZE:
                return COMPARISONS[self.comparison](value, self.value)
            case FieldType.YES_NO:
                return bool(value is self.value)
            case FieldType.CHOICE:
                return value in self.value
            case FieldType.LEVEL:
                return bool(value <= self.value)
            case FieldType.FLAGS:
                return self.value <= set(value) if self.value else not value
            case FieldType.TYPES:
                return value in self.value
            case FieldType.TEXT | FieldType.NAME:
                return any(map(self._names, (value,) if isinstance(value, str) else value))

    def _names(self, value: str) -> bool:
        whole = self.value.removeprefix("=")
        return folded(value) == whole if whole != self.value else whole in folded(value)


Term = Word | Pattern | Comparison

"""The user's filters: the named ones of the configuration, and those typed in this session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from textual._context import NoActiveAppError
from textual.dom import DOMNode

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import NO_NAMED, Filter, parse_filter

MOST = 50
"""Filters of each kind of list that are remembered."""


@dataclass
class UserFilters:
    """What the application knows about filters.

    Attributes:
        named: the named filters of the configuration.
        typed: the filters that were kept, by the kind of list; the newest last.
    """

    named: Mapping[str, str] = field(default_factory=lambda: NO_NAMED)
    typed: dict[FilterKind, list[str]] = field(default_factory=dict)

    def remember(self, kind: FilterKind, text: str) -> None:
        """Remember a filter as the newest of its kind."""
        known = [each for each in self.typed.get(kind, ()) if each != text]
        self.typed[kind] = [*known, text][-MOST:]

    def step(self, kind: FilterKind, text: str, step: int) -> str:
        """Return the filter before (-1) or after (1) `text`; behind the newest, an empty one."""
        known: list[str] = [*self.typed.get(kind, ()), ""]
        at = known.index(text) if text in known else len(known) - 1
        return known[min(max(0, at + step), len(known) - 1)]


def filters_of(node: DOMNode) -> UserFilters:
    """Return the filters of the application of a widget or screen."""
    try:
        found = getattr(node.app, "filters", None)
    except NoActiveAppError:  # not shown yet
        found = None
    return found if isinstance(found, UserFilters) else UserFilters()


def filter_typed(node: DOMNode, text: str, kind: FilterKind) -> Filter:
    """Return the filter that was typed for a list.

    Raises:
        FilterError: it is invalid.
    """
    return parse_filter(text, kind, filters_of(node).named)

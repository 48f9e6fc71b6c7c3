"""The option `--filter` of verbs that print a list."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.reference import option_help

if TYPE_CHECKING:
    from kmodtui.model.filter.parse import Filter
    from kmodtui.model.filter.terms import Source

T = TypeVar("T")


def add_filter(parser: argparse.ArgumentParser, kind: FilterKind) -> None:
    """Add `--filter`."""
    parser.add_argument("--filter", metavar="FILTER", help=option_help(kind))


def chosen_filter(options: argparse.Namespace, kind: FilterKind) -> Filter | None:
    """Return the filter of the command line; None without one.

    Raises:
        KmodtuiError: it is invalid, or the configuration with a filter that it names.
    """
    if options.filter is None:
        return None
    # Imported here, because most lists are printed without a filter.
    from kmodtui.services.filtering import typed_filter

    return typed_filter(options.filter, kind)


def matching(chosen: Filter | None, source: Source[T], items: Sequence[T]) -> Sequence[T]:
    """Return the items that match; all of them without a filter.

    Raises:
        TookTooLongError: a regular expression of the filter takes too long.
    """
    if chosen is None:
        return items
    from kmodtui.services.filtering import VERB_LIMIT, select

    return select(chosen, source, items, VERB_LIMIT)

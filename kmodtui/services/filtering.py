"""Applies filters, with a limit for the time of regular expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.filter.parse import NO_NAMED, Filter, parse_filter
from kmodtui.model.filter.terms import Source
from kmodtui.model.text import clean
from kmodtui.services.time_limit import limited

T = TypeVar("T")

LIMIT = 0.4
"""Seconds for a list on the screen: a hundred times what a sane expression needs."""

VERB_LIMIT = 20.0
"""Seconds for the list of a verb."""


def select(
    chosen: Filter, source: Source[T], items: Sequence[T], seconds: float = LIMIT
) -> list[T]:
    """Return the items that match a filter, in their order.

    Raises:
        TookTooLongError: its regular expression takes too long.
    """
    if not chosen.has_pattern:
        return chosen.select(source, items)
    with limited(
        seconds,
        f"The filter {clean(chosen.text)} took too long and was cancelled.",
        "A nested repetition such as (a+)+ can take practically forever on some texts.",
    ):
        return chosen.select(source, items)


def typed_filter(text: str, kind: FilterKind) -> Filter:
    """Return the filter that was typed for a verb, which can use those of the configuration.

    Raises:
        KmodtuiError: it is invalid, or the configuration is.
    """
    return parse_filter(text, kind, named_filters(text))


def named_filters(text: str) -> Mapping[str, str]:
    """Return the filters of the configuration, if a text can name one of them.

    Raises:
        ConfigError: the configuration is invalid.
    """
    if "@" not in text:
        return NO_NAMED
    from kmodtui.services.config import config_path, read_config

    return read_config(config_path()).filters

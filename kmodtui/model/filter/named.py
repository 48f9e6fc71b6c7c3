"""Checks the named filters of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kmodtui.model.filter.fields import FIELDS, FilterKind
from kmodtui.model.filter.parse import parse_filter
from kmodtui.model.filter.terms import FilterError
from kmodtui.model.text import clean


def problem_of(name: str, named: Mapping[str, str]) -> FilterError | None:
    """Return why a named filter cannot be used for any list; None if it can be for some.

    Args:
        name: its name.
        named: all named filters, which it may refer to.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", name):
        return FilterError(
            f"“{clean(name)}” is not a valid name for a filter.",
            "A name begins with a letter, followed by letters, digits, - and _.",
        )
    errors = []
    for kind in FilterKind:
        try:
            parse_filter(f"@{name}", kind, named)
        except FilterError as error:
            errors.append((kind, error))
        else:
            return None
    # The error of a list that has the first field is more useful than “there is no field”.
    words = named[name]
    first = next((f for f in FIELDS if re.search(rf"(?<![\w-]){f.name}[:<>]", words)), FIELDS[0])
    return next(error for kind, error in errors if kind in first.kinds)

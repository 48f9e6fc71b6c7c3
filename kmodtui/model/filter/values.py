"""The values that fields are compared with."""

from __future__ import annotations

import re
from typing import Any

from kmodtui.model.did_you_mean import did_you_mean, either, near
from kmodtui.model.filter.fields import Field, FieldType
from kmodtui.model.filter.terms import FilterError, folded
from kmodtui.model.modules import TAINTS, VENDOR_TAINTS
from kmodtui.model.text import clean

_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))?([KMG]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parsed(field: Field, text: str) -> Any:
    """Return the value that was typed for a field.

    Returns:
        A number; whether it is `yes`; the choices that begin with it; the number of a level;
        a set of flags; or a text, folded, with `=` in front for the whole.

    Raises:
        FilterError: the field cannot have this value.
    """
    name = field.name
    match field.type:
        case FieldType.NUMBER:
            if re.fullmatch(r"[0-9]{1,18}", text):
                return int(text)
            raise _wrong(field, text, f"Write a whole number, such as {field.example}.")
        case FieldType.SIZE:
            return _size(field, text)
        case FieldType.YES_NO:
            for word in ("yes", "no"):
                if text and word.startswith(text.lower()):
                    return word == "yes"
            raise _wrong(field, text, f"Write {name}:yes or {name}:no.")
        case FieldType.CHOICE | FieldType.LEVEL:
            wanted = text.lower().replace("_", "-")
            found = [each for each in field.choices if each.startswith(wanted)]
            if not found:
                question = did_you_mean(near(wanted, field.choices))
                raise _wrong(field, text, question or f"Write {name}:{either(field.choices)}.")
            if field.type is FieldType.LEVEL:
                return max(field.choices.index(each) for each in found)
            return frozenset(found)
        case FieldType.FLAGS:
            if text.lower() == "none":
                return frozenset()
            if unknown := [each for each in text if each not in {*TAINTS, *VENDOR_TAINTS}]:
                upper = unknown[0].upper()
                hint = f"Did you mean {upper}?" if upper in TAINTS else "Write taint:O or taint:OE."
                raise FilterError(f"{clean(unknown[0])} is not a taint flag.", hint)
            return frozenset(text)
        case FieldType.TYPES:
            return text
        case FieldType.TEXT | FieldType.NAME:
            return folded(text)


def _size(field: Field, text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise _wrong(field, text, f"Write a number of bytes, such as {field.example}.")
    whole, fraction, unit = found.groups()
    return int(float(f"{whole}.{fraction or 0}") * _UNITS[unit.upper()])


def _wrong(field: Field, text: str, hint: str) -> FilterError:
    what = "the value is missing" if not text else f"“{clean(text[:40])}” is not {_article(field)}"
    return FilterError(f"{field.name}: {what}.", hint)


def _article(field: Field) -> str:
    match field.type:
        case FieldType.SIZE:
            return "a size"
        case FieldType.CHOICE:
            return f"a {field.name}"
        case FieldType.LEVEL:
            return "a log level"
        case _:
            return str(field.type)

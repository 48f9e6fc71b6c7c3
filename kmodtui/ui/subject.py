"""Subject: what a line is about, such as a module or a message of the kernel log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SubjectKind(StrEnum):
    """What a line can be about; the value is the word for it in titles."""

    MODULE = "module"
    SYMBOL = "symbol"
    EVENT = "event"
    DEVICE = "device"
    MESSAGE = "message"
    LINE = "line"


EVERY_KIND = tuple(SubjectKind)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the line under the cursor is about.

    Attributes:
        kind: what it is.
        name: its name or text, safe to show.
        module: the module that it belongs to, or that it is; empty for none.
    """

    kind: SubjectKind
    name: str
    module: str = ""

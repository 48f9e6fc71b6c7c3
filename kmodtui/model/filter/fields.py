"""The fields of filters: one table for parser, completion, help, documents and new configurations.

A kind of list, such as the loaded modules, has the fields whose entry names it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class FilterKind(StrEnum):
    """A kind of list that can be filtered; the value names its lines."""

    MODULES = "loaded modules"
    SYMBOLS = "symbols"
    LOG = "messages of the kernel log"
    EVENTS = "events of the timeline"
    DEVICES = "devices"
    EXPOSURE = "exposure"
    CATALOG = "catalog"
    LINES = "lines of other pages"
    TEXT = "pages of text"


class FieldType(StrEnum):
    """What the value of a field is; the value says so in a sentence: `TAKES …`."""

    TEXT = "a text that it has to contain, or =TEXT for the whole"
    NAME = "a module, or part of its name; =NAME for the whole"
    NUMBER = "a whole number"
    SIZE = "a number of bytes, with K, M or G for units of 1024"
    YES_NO = "yes or no"
    CHOICE = "one of some words, or the beginning of one"
    FLAGS = "taint flags, which it has to have all; none for no flag"
    LEVEL = "a log level; worse ones match, too"
    TYPES = "symbol types, one of which it has to have"

    @property
    def is_number(self) -> bool:
        """Whether values can be compared with `<` and `>`."""
        return self in (FieldType.NUMBER, FieldType.SIZE)


class Field(NamedTuple):  # no dataclass: verbs import this for the help of their options
    """A field.

    Attributes:
        name: as it is typed, before `:`, `<` or `>`.
        type: what its value is.
        help: what it is, without a full stop.
        example: a term with it.
        kinds: the lists that have it.
        choices: the words it can be, for a CHOICE or a LEVEL.
    """

    name: str
    type: FieldType
    help: str
    example: str
    kinds: tuple[FilterKind, ...]
    choices: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The values to offer while it is typed; none if there are too many."""
        return ("yes", "no") if self.type is FieldType.YES_NO else self.choices

    @property
    def takes(self) -> str:
        """What its value is, in words."""
        return ", ".join(self.choices) if self.choices else str(self.type)


_MODULES, _CATALOG, _EXPOSURE = FilterKind.MODULES, FilterKind.CATALOG, FilterKind.EXPOSURE
_WITH_MODULE = (FilterKind.SYMBOLS, FilterKind.EVENTS, FilterKind.DEVICES, FilterKind.LINES)
_RULED = (_MODULES, _EXPOSURE, _CATALOG)

FIELDS = (
    Field("name", FieldType.NAME, "name of the module", "name:=xor", _RULED),
    Field("size", FieldType.SIZE, "memory that the module uses", "size>1M", (_MODULES,)),
    Field("refs", FieldType.NUMBER, "reference count", "refs:0", (_MODULES,)),
    Field(
        "state",
        FieldType.CHOICE,
        "state of the module",
        "state:loading",
        (_MODULES,),
        ("live", "loading", "unloading"),
    ),
    Field("taint", FieldType.FLAGS, "taint flags that the module has set", "taint:O", (_MODULES,)),
    Field(
        "signed",
        FieldType.YES_NO,
        "whether the module has a signature; of a loaded one, whether the kernel did not flag it "
        "as unsigned (taint flag E)",
        "signed:no",
        (_MODULES, _CATALOG),
    ),
    Field(
        "used-by", FieldType.NAME, "a holder: a module that uses it", "used-by:btrfs", (_MODULES,)
    ),
    Field("needs", FieldType.NAME, "a loaded module that it uses", "needs:crc32", (_MODULES,)),
    Field(
        "permanent",
        FieldType.YES_NO,
        "whether it cannot be unloaded: it has no exit function",
        "permanent:yes",
        (_MODULES,),
    ),
    Field(
        "reach",
        FieldType.CHOICE,
        "who can have the module loaded",
        "reach:user",
        _RULED,
        ("user", "namespace", "device", "root"),
    ),
    Field(
        "blocked",
        FieldType.YES_NO,
        "whether a rule stops what would load the module: a block or the blacklist",
        "blocked:no",
        _RULED,
    ),
    Field(
        "loaded",
        FieldType.YES_NO,
        "whether the module is loaded",
        "loaded:no",
        (_EXPOSURE, _CATALOG),
    ),
    Field(
        "builtin",
        FieldType.YES_NO,
        "whether the module is compiled into the kernel",
        "builtin:yes",
        (_CATALOG,),
    ),
    Field(
        "external",
        FieldType.YES_NO,
        "whether the module is not from the kernel package",
        "external:yes",
        (_CATALOG,),
    ),
    Field(
        "category", FieldType.TEXT, "category of the module", 'category:"file system"', (_CATALOG,)
    ),
    Field("license", FieldType.TEXT, "licence of the module", "license:proprietary", (_CATALOG,)),
    Field(
        "module",
        FieldType.NAME,
        "the module that it is about",
        "module:btrfs",
        _WITH_MODULE,
    ),
    Field("type", FieldType.TYPES, "symbol type; case matters", "type:tT", (FilterKind.SYMBOLS,)),
    Field(
        "level",
        FieldType.LEVEL,
        "log level, or a worse one",
        "level:err",
        (FilterKind.LOG,),
        ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"),
    ),
    Field(
        "kind",
        FieldType.CHOICE,
        "kind of the event",
        "kind:failure",
        (FilterKind.EVENTS,),
        ("modules", "failure", "parameter", "device", "log", "command", "start", "lost"),
    ),
    Field("bus", FieldType.TEXT, "bus of the device", "bus:pci", (FilterKind.DEVICES,)),
    Field("address", FieldType.TEXT, "address on the bus", "address:00:1f", (FilterKind.DEVICES,)),
    Field("driver", FieldType.TEXT, "driver of the device", "driver:e1000", (FilterKind.DEVICES,)),
    Field(
        "state",
        FieldType.CHOICE,
        "whether the device has a driver, or why not",
        "state:not-bound",
        (FilterKind.DEVICES,),
        (
            "not-loaded",
            "blocked",
            "blacklisted",
            "missing",
            "not-bound",
            "no-module",
            "driven",
        ),
    ),
    Field(
        "state",
        FieldType.TEXT,
        "the word in front of the line",
        "state:fail",
        (FilterKind.LINES,),
    ),
)
"""All fields, in the order in which they are offered and documented."""

SHORT = {FilterKind.SYMBOLS: {"m": "module", "t": "type"}}
"""Short names of fields."""


def fields_of(kind: FilterKind) -> dict[str, Field]:
    """Return the fields of a kind of list by name."""
    return {field.name: field for field in FIELDS if kind in field.kinds}

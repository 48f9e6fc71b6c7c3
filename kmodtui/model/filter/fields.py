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
    EXPOSURE = "exposures"
    CATALOG = "modules of the catalog"
    LINES = "lines of other pages"
    TEXT = "pages of text"


class FieldType(StrEnum):
    """What the value of a field is; the words say so in a sentence: `Write …`."""

    TEXT = "part of the text, or =TEXT for an exact match"
    NAME = "a module or part of its name, or =NAME for an exact match"
    NUMBER = "a whole number"
    SIZE = "a number of bytes; K, M and G mean KiB, MiB and GiB"
    YES_NO = "yes or no"
    CHOICE = "one of several words, or the beginning of one"
    FLAGS = "taint flags, all of which have to be set, or none if no flag is"
    LEVEL = "a log level; more severe ones match, too"
    TYPES = "symbol types, any of which matches"

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
        "whether the module is signed; if it is loaded, whether it lacks the taint flag E, which "
        "marks unsigned modules",
        "signed:no",
        (_MODULES, _CATALOG),
    ),
    Field(
        "used-by",
        FieldType.NAME,
        "a loaded module that uses this one",
        "used-by:btrfs",
        (_MODULES,),
    ),
    Field(
        "needs", FieldType.NAME, "a loaded module that this one uses", "needs:crc32", (_MODULES,)
    ),
    Field(
        "permanent",
        FieldType.YES_NO,
        "whether the module cannot be unloaded: it has no exit function",
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
        "whether a rule, a block or the blacklist, stops what would load the module",
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
        "whether the module comes from outside the kernel package",
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
        "the module that the line is about",
        "module:btrfs",
        _WITH_MODULE,
    ),
    Field("type", FieldType.TYPES, "symbol type; case matters", "type:tT", (FilterKind.SYMBOLS,)),
    Field(
        "level",
        FieldType.LEVEL,
        "this log level or a more severe one",
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
        "the word that the line begins with",
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

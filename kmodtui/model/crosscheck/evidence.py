"""One reading of everything in which the kernel shows its modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kmodtui.model.modules import ModuleTable


class Source(StrEnum):
    """Where the kernel shows modules."""

    PROC = "/proc/modules"
    SYSFS = "/sys/module"
    KALLSYMS = "/proc/kallsyms"
    DRIVERS = "/sys/bus/*/drivers"
    TAINT = "/proc/sys/kernel/tainted"
    LOG = "kernel log"
    KPROBES = "kprobes/list"
    FTRACE_ENABLED = "enabled_functions"
    FTRACE_AVAILABLE = "available_filter_functions"
    VMALLOC = "/proc/vmallocinfo"


BASIC = (Source.PROC, Source.SYSFS, Source.KALLSYMS)
"""Without these, nothing can be said."""


@dataclass(frozen=True, slots=True)
class SysModule:
    """A directory of /sys/module that only a loadable module has: it has an initstate.

    Attributes:
        inode: of the directory; a module that is loaded again has another one.
        state: `live`, `coming` or `going`.
        refcount: its reference count; None if it is not shown.
        holders: the modules in its directory `holders`.
    """

    inode: int = 0
    state: str = "live"
    refcount: int | None = None
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """Memory that was allocated for a module.

    Attributes:
        start: its address; another number where the kernel hides addresses.
        size: bytes, without the guard page behind it.
        page: bytes of a page.
    """

    start: int
    size: int
    page: int = 4096


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reading. What could not be read is empty, and `missing` says why.

    Attributes:
        table: /proc/modules, before everything else was read.
        listed: the modules in it before or afterwards.
        quiet: whether no module was loaded or unloaded, and no device appeared, meanwhile.
        sysfs: the loadable modules in /sys/module.
        builtin: the other directories of /sys/module.
        owners: the modules that have symbols in /proc/kallsyms.
        data_symbols: whether modules have symbols of data there, too.
        drivers: a path of /sys/bus/*/drivers for each module that it says the driver is of.
        taint: the taint flags of the kernel.
        log: the lines of the kernel log about modules that taint the kernel, by module.
        hooks: a line of kprobes or ftrace that names a module, by source and module.
        strange: the addresses of functions that ftrace has, but finds no name for.
        areas: the memory areas that were allocated for modules.
        missing: why a source could not be compared.
    """

    table: ModuleTable = field(default_factory=ModuleTable)
    listed: frozenset[str] = frozenset()
    quiet: bool = True
    sysfs: Mapping[str, SysModule] = field(default_factory=dict)
    builtin: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    data_symbols: bool = False
    drivers: Mapping[str, str] = field(default_factory=dict)
    taint: str = ""
    log: Mapping[str, str] = field(default_factory=dict)
    hooks: Mapping[Source, Mapping[str, str]] = field(default_factory=dict)
    strange: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()
    missing: Mapping[Source, str] = field(default_factory=dict)

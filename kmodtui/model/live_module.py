"""A module of the running kernel, as /sys/module shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A parameter of a loaded or built-in module.

    Attributes:
        name: parameter name.
        value: its value as the kernel shows it, safe to show; None if the kernel hides it.
        why_hidden: why there is no value; empty if there is one.
        writable: whether root may change it while the module is loaded.
    """

    name: str
    value: str | None
    why_hidden: str
    writable: bool


@dataclass(frozen=True, slots=True)
class LiveModule:
    """One directory of /sys/module. What the kernel does not show is None or empty.

    Attributes:
        name: module name.
        loadable: whether it is a loaded module; built-in modules have a directory, too.
        coresize: memory in bytes, without its init section.
        initsize: size of its init section in bytes; 0 once init has returned.
        initstate: `live`, `coming` or `going`; empty for a built-in module.
        refcount: references in all; None if the kernel cannot unload modules.
        taint: its taint flags.
        version: MODULE_VERSION.
        srcversion: checksum of its source files.
        holders: modules that use it.
        drivers: `BUS:DRIVER` of each driver that it registered under its name.
        parameters: sorted by name.
    """

    name: str
    loadable: bool
    coresize: int | None = None
    initsize: int | None = None
    initstate: str = ""
    refcount: int | None = None
    taint: str = ""
    version: str = ""
    srcversion: str = ""
    holders: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    parameters: tuple[ParameterValue, ...] = ()

"""What /sys/module shows of one module in the running kernel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A parameter of a module that is in the kernel.

    Attributes:
        name: of the parameter.
        value: as the kernel shows it, safe for a screen; None where it shows none.
        why_hidden: why there is no value; empty where there is one.
        writable: whether root may change it while the module stays.
    """

    name: str
    value: str | None
    why_hidden: str
    writable: bool


@dataclass(frozen=True, slots=True)
class LiveModule:
    """One folder of /sys/module. What the kernel does not show is None or empty.

    Attributes:
        name: of the module.
        loadable: whether it was loaded; built-in ones have a folder, too.
        coresize: bytes that it keeps.
        initsize: bytes that go when its init function is done; 0 afterwards.
        initstate: `live`, `coming` or `going`; empty for a built-in one.
        refcount: users and other references; None where the kernel cannot unload.
        taint: letters.
        version: its author's version.
        srcversion: checksum of its sources.
        holders: modules that use it.
        drivers: `BUS:DRIVER` of each driver that it registered under its name.
        parameters: by name.
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

"""A device with the modules that match it, and why it has no driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.about.facts import BusDevice
from kmodtui.model.devices.names import is_bridge
from kmodtui.model.modules import canonical
from kmodtui.model.text import counted


class Match(StrEnum):
    """The state of a module that matches a device."""

    NOT_LOADED = "not loaded"
    BLOCKED = "blocked"
    BLACKLISTED = "blacklisted"
    MISSING = "missing"
    LOADED = "loaded"
    BUILT_IN = "built in"


class DeviceState(StrEnum):
    """Whether a device has a driver, or what the module that matches it lacks."""

    NOT_LOADED = "not loaded"
    BLOCKED = "blocked"
    BLACKLISTED = "blacklisted"
    MISSING = "missing"
    NOT_BOUND = "not bound"
    NO_MODULE = "no module"
    DRIVEN = "driven"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A module that matches a device.

    Attributes:
        name: of the module.
        match: its state.
        source: the rule that blocks or blacklists it, or the path of its missing file;
            empty for others.
    """

    name: str
    match: Match
    source: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that has or could have a driver.

    Attributes:
        on_bus: bus, address, modalias, driver and module.
        name: its name for people.
        candidates: the modules that match it, in kmod's order.
    """

    on_bus: BusDevice
    name: str
    candidates: tuple[Candidate, ...] = ()

    @property
    def state(self) -> DeviceState:
        """Whether it has a driver, or why not."""
        if self.on_bus.driver:
            return DeviceState.DRIVEN
        best = self._best
        if best is None:
            return DeviceState.NO_MODULE
        if best.match in (Match.LOADED, Match.BUILT_IN):
            return DeviceState.NOT_BOUND
        return DeviceState(best.match.value)

    @property
    def module(self) -> str:
        """The module that drives it, or would; empty if there is none."""
        if self.on_bus.driver:
            return self.on_bus.module
        best = self._best
        return best.name if best is not None and best.match is not Match.BUILT_IN else ""

    @property
    def others(self) -> tuple[str, ...]:
        """The other modules that match it."""
        own = (self.module, canonical(self.on_bus.driver))
        return tuple(each.name for each in self.candidates if each.name not in own)

    @property
    def reason(self) -> str:
        """What drives it, or why nothing does, in a sentence."""
        if self.on_bus.driver:
            module = self.on_bus.module
            where = f"module {module}" if module else "built in"
            return f"Driven by {self.on_bus.driver} ({where})."
        best = self._best
        if best is None:
            more = " Most bridges need none." if is_bridge(self.on_bus.modalias) else ""
            return f"No module of this kernel matches it.{more}"
        return _reason(best)

    @property
    def _best(self) -> Candidate | None:
        """The module to think of first: one that could simply be loaded."""
        order = tuple(Match)
        return min(self.candidates, key=lambda each: order.index(each.match), default=None)


def _reason(best: Candidate) -> str:
    name = best.name
    match best.match:
        case Match.NOT_LOADED:
            return f"{name} matches it and is not loaded."
        case Match.BLOCKED:
            return f"{name} matches it, but is blocked: {best.source}."
        case Match.BLACKLISTED:
            return (
                f"{name} matches it, but is blacklisted: {best.source}. It can still be loaded by "
                "its name."
            )
        case Match.MISSING:
            where = f": {best.source}" if best.source else ""
            return f"{name} matches it, but its file is missing{where}."
        case Match.LOADED:
            return f"{name} matches it and is loaded, but is not bound to it; see the kernel log."
        case Match.BUILT_IN:
            return f"{name} matches it and is built in, but is not bound to it."


@dataclass(frozen=True, slots=True)
class DeviceList:
    """The devices of a machine.

    Attributes:
        devices: those without a driver first, by state; the others by bus and address.
        silent: number of devices without a driver that no module matches, on buses where
            most devices need none.
        problem: why no module can be found for a device, in a sentence; empty if they can.
    """

    devices: tuple[Device, ...]
    silent: int = 0
    problem: str = ""

    @property
    def without_driver(self) -> tuple[Device, ...]:
        """The devices without a driver."""
        return tuple(each for each in self.devices if each.state is not DeviceState.DRIVEN)

    @property
    def summary(self) -> tuple[str, ...]:
        """How many there are, in sentences."""
        if not self.devices and not self.silent:
            return ("This system shows no devices in /sys/bus.",)
        missing = len(self.without_driver)
        found = [f"{counted(len(self.devices), 'device')}, {missing:,} of them without a driver."]
        if self.silent:
            found.append(
                f"{counted(self.silent, 'more device')} without a driver, such as the firmware's "
                "interrupt links, need none as far as is known: no module matches them."
            )
        if self.problem:
            found.append(self.problem)
        return tuple(found)


_QUIET = frozenset(
    (
        "acpi",
        "auxiliary",
        "clockevents",
        "clocksource",
        "cpu",
        "event_source",
        "faux",
        "machinecheck",
        "memory",
        "node",
        "platform",
        "pnp",
        "serio",
        "virtual",
        "wmi",
        "workqueue",
    )
)
"""Buses where most devices need no driver of their own."""


def device_list(devices: Sequence[Device], problem: str = "") -> DeviceList:
    """Return the devices in order, without those that need no driver as far as is known."""
    shown = [
        each
        for each in devices
        if each.state is not DeviceState.NO_MODULE or each.on_bus.bus not in _QUIET
    ]
    states = tuple(DeviceState)
    shown.sort(key=lambda each: states.index(each.state))  # stable: by bus and address
    return DeviceList(tuple(shown), len(devices) - len(shown), problem)

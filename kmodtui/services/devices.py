"""Finds the modules for the devices of a machine. Reads many files: not for the event loop."""

from __future__ import annotations

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.device_label import read_label
from kmodtui.kernel.devices import read_bus_devices
from kmodtui.kernel.host import Host
from kmodtui.kernel.hwdata import read_hardware_names
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.release import EmptyIndex, index_or_empty
from kmodtui.kernel.modprobe.config import read_modprobe_config
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.model.about.facts import BusDevice
from kmodtui.model.block.way import Barrier
from kmodtui.model.block.ways import evaluate
from kmodtui.model.devices.device import Candidate, Device, DeviceList, Match, device_list
from kmodtui.model.devices.names import readable_name
from kmodtui.model.modprobe_rules import Found
from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE
from kmodtui.model.text import clean


def read_devices(host: Host, release: str) -> DeviceList:
    """Return the devices of a machine, and the modules of a kernel release that match them."""
    index = index_or_empty(host, release)
    lookup = ConfiguredIndex(index, read_modprobe_config(host, *index.folders))
    loaded = _loaded(host)
    names = read_hardware_names(host)
    known: dict[str, tuple[Candidate, ...]] = {}
    found = []
    for device in read_bus_devices(host):
        if device.bus == "acpi" and not device.driver and _has_companion(host, device):
            continue
        alias = device.modalias
        if alias not in known:
            known[alias] = _candidates(alias, lookup, loaded) if alias else ()
        name = readable_name(device, read_label(host, device), names)
        found.append(Device(device, name, _with_driver(device, known[alias])))
    problem = str(index.problem.message) if isinstance(index, EmptyIndex) else ""
    return device_list(found, problem)


def _has_companion(host: Host, device: BusDevice) -> bool:
    """Return whether a device of the firmware is on another bus, too, where it gets its driver."""
    companions = (f"{device.path}/physical_node", f"/sys/bus/platform/devices/{device.address}")
    return any(map(host.exists, companions))


def _loaded(host: Host) -> frozenset[str]:
    try:
        return frozenset(read_modules(host).by_name)
    except KmodtuiError:
        return frozenset()


def _with_driver(device: BusDevice, matches: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Return the modules that match a device, after the one that drives it without a match."""
    if device.module and all(each.name != device.module for each in matches):
        return (Candidate(device.module, Match.LOADED), *matches)
    return matches


def _candidates(
    alias: str, lookup: ConfiguredIndex, loaded: frozenset[str]
) -> tuple[Candidate, ...]:
    return tuple(_candidate(alias, found, lookup, loaded) for found in lookup.find(alias))


def _candidate(
    alias: str, found: Found, lookup: ConfiguredIndex, loaded: frozenset[str]
) -> Candidate:
    name = found.name
    if name in loaded:
        return Candidate(clean(name), Match.LOADED)
    if found.builtin or (not lookup.path_of(name) and lookup.is_builtin(name)):
        return Candidate(clean(name), Match.BUILT_IN)
    if not lookup.has_file(name):
        return Candidate(clean(name), Match.MISSING, clean(lookup.path_of(name) or found.source))
    if lookup.is_blocked(name):
        return Candidate(clean(name), Match.BLOCKED, KERNEL_COMMAND_LINE)
    result = evaluate(alias, name, lookup)
    if result is None or result.barrier is not Barrier.STOPPED:
        return Candidate(clean(name), Match.NOT_LOADED)
    by_name = evaluate(name, name, lookup)
    stopped = by_name is not None and by_name.barrier is Barrier.STOPPED
    source = by_name.source if by_name is not None and stopped else result.source
    return Candidate(clean(name), Match.BLOCKED if stopped else Match.BLACKLISTED, clean(source))

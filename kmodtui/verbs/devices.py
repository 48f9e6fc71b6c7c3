"""`kmodtui devices`: the devices of this machine, and the modules that drive them or could."""

from __future__ import annotations

import argparse
from typing import Any

from kmodtui.errors import UnknownModuleError
from kmodtui.kernel.host import Host
from kmodtui.model.devices.device import Device, DeviceState
from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean
from kmodtui.services.devices import read_devices
from kmodtui.verbs.filter_option import add_filter, chosen_filter, matching
from kmodtui.verbs.printing import add_json, print_json, release_of

SCHEMA = 1

_INDENT = " " * 13


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_json(parser)
    add_filter(parser, FilterKind.DEVICES)
    parser.add_argument("--no-driver", action="store_true", help="only devices without a driver")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only devices that these modules match"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    """Print the devices; return the exit status: 1 if a module or filter matches none."""
    chosen = chosen_filter(options, FilterKind.DEVICES)
    found = read_devices(host, release_of(host, options))
    names = {canonical(name) for name in options.names}
    shown = [
        each
        for each in found.devices
        if (not names or not names.isdisjoint({each.module, *each.others}))
        and (not options.no_driver or each.state is not DeviceState.DRIVEN)
    ]
    if names and not shown:
        words = " or ".join(clean(name) for name in options.names)
        raise UnknownModuleError(f"No device of this machine is matched by {words}.")
    status = 0
    if chosen is not None:
        from kmodtui.model.filter.sources import DeviceSource

        shown = [*matching(chosen, DeviceSource(), shown)]
        status = 0 if shown else 1
    if options.json:
        print_json(SCHEMA, {"devices": [_json(each) for each in shown], "others": found.silent})
        return status
    for each in shown:
        print(f"{each.state:<11}  {clean(each.name)}")
        print(f"{_INDENT}{clean(device_words(each))}")
    if not names and chosen is None:
        for sentence in found.summary:
            print(clean(sentence))
    return status


def device_words(each: Device) -> str:
    """Return bus, address, what drives a device or why nothing does, and other modules."""
    others = f" Also matches: {', '.join(each.others)}." if each.others else ""
    return f"{each.on_bus.bus} {each.on_bus.address}: {each.reason}{others}"


def _json(each: Device) -> dict[str, Any]:
    device = each.on_bus
    return {
        "bus": device.bus,
        "address": device.address,
        "name": clean(each.name),
        "path": device.path,
        "modalias": device.modalias or None,
        "driver": device.driver or None,
        "module": device.module or None,
        "state": each.state,
        "reason": clean(each.reason),
        "matches": [
            {"name": match.name, "state": match.match, "source": match.source or None}
            for match in each.candidates
        ],
    }

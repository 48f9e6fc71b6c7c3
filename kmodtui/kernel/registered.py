"""Reader of what modules have registered with the running kernel.

Sources: /proc/filesystems (`fs/filesystems.c`), /proc/crypto (`crypto/proc.c`),
/proc/net/protocols (`net/core/sock.c`), /proc/asound/modules (`sound/core/init.c`).
"""

from __future__ import annotations

from kmodtui.kernel.devices import read_bus_devices, read_class_devices
from kmodtui.kernel.host import Host
from kmodtui.model.about.facts import RunningKernel
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, decode

_ByModule = dict[str, tuple[str, ...]]


def read_running_kernel(host: Host) -> RunningKernel:
    """Return it; a file that cannot be read is as good as empty."""
    return RunningKernel(
        file_systems=frozenset(
            clean(line.rpartition("\t")[2]) for line in _lines(host, "/proc/filesystems")
        ),
        algorithms=_algorithms(host),
        protocols=_protocols(host),
        sound_cards=_sound_cards(host),
        class_devices=read_class_devices(host),
        bus_devices=read_bus_devices(host),
    )


def _algorithms(host: Host) -> _ByModule:
    found: _ByModule = {}
    driver = ""
    for line in _lines(host, "/proc/crypto"):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "driver":
            driver = value
        elif key == "module" and value != "kernel":
            _add(found, value, driver)
    return found


def _protocols(host: Host) -> _ByModule:
    found: _ByModule = {}
    for line in _lines(host, "/proc/net/protocols")[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[7] != "kernel":
            _add(found, fields[7], fields[0])
    return found


def _sound_cards(host: Host) -> _ByModule:
    found: _ByModule = {}
    for line in _lines(host, "/proc/asound/modules"):
        number, _, module = line.strip().partition(" ")
        if module:
            _add(found, module, number)
    return found


def _add(found: _ByModule, module: str, what: str) -> None:
    name = canonical(clean(module.strip()))
    found[name] = (*found.get(name, ()), clean(what))


def _lines(host: Host, path: str) -> list[str]:
    try:
        return decode(host.read(path)).splitlines()
    except OSError:
        return []

"""Reader of DKMS's tree: which modules it has built for which kernels.

Source: `man 8 dkms` and `dkms.in`: /var/lib/dkms/MODULE/VERSION/KERNEL/ARCH/module/NAME.ko, and
a link /var/lib/dkms/MODULE/kernel-KERNEL-ARCH to the one that is installed.
"""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import EXTENSIONS
from kmodtui.model.doctor.facts import DkmsModule
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean

FOLDER = "/var/lib/dkms"
_NOT_KERNELS = ("source", "build", "original_module")


def read_dkms(host: Host) -> tuple[DkmsModule, ...]:
    """Return the modules that DKMS manages, each with the kernels that it is built for."""
    return tuple(
        _version(host, package, version)
        for package in _names(host, FOLDER)
        for version in _names(host, f"{FOLDER}/{package}")
        if not version.startswith("kernel-") and version not in _NOT_KERNELS
        if "source" in _names(host, f"{FOLDER}/{package}/{version}")
    )


def _version(host: Host, package: str, version: str) -> DkmsModule:
    folder = f"{FOLDER}/{package}/{version}"
    built: dict[str, tuple[str, ...]] = {}
    for release in _names(host, folder):
        if release in _NOT_KERNELS:
            continue
        for machine in _names(host, f"{folder}/{release}"):
            files = _names(host, f"{folder}/{release}/{machine}/module")
            modules = (clean(canonical(name)) for name in files if name.endswith(EXTENSIONS))
            built[clean(release)] = (*built.get(clean(release), ()), *modules)
    installed = frozenset(
        clean(entry.removeprefix("kernel-").rpartition("-")[0])
        for entry in _names(host, f"{FOLDER}/{package}")
        if entry.startswith("kernel-")
        and _link(host, f"{FOLDER}/{package}/{entry}").split("/")[0] == version
    )
    return DkmsModule(clean(package), clean(version), clean(folder), built, installed)


def _names(host: Host, folder: str) -> list[str]:
    try:
        return host.listdir(folder)
    except OSError:
        return []


def _link(host: Host, path: str) -> str:
    try:
        return host.readlink(path)
    except OSError:
        return ""

"""Where a module may be that the index of a kernel does not have."""

from __future__ import annotations

import os
import re

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import all_releases, release_files
from kmodtui.model.modules import canonical, is_module_name
from kmodtui.model.storage import Storage
from kmodtui.model.text import clean

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_RED_HAT = {"fedora", "rhel", "centos", "rocky", "almalinux", "amzn", "ol"}
_MAX_INDEX = 32 * 1024 * 1024  # bytes
_MAX_RELEASES = 20


def where_else(index: ModuleIndex, text: str) -> str:
    """Return where a module is that an index does not have; empty if it is nowhere.

    It can be in a file of another name or in one that depmod has not seen yet, or belong to
    another installed kernel.
    """
    name = canonical(text)
    if not is_module_name(name) or not index.folder:
        return ""
    if info := index.info_of_other_file(name):
        own = canonical(info.filename)
        return f"{clean(info.filename)} contains it: modprobe knows it as {clean(own)}."
    if path := _unlisted(index, name):
        return f"{clean(path)} is not in its modules.dep. {index.advice.rebuild}"
    found = [
        release
        for release in all_releases(index.host)[:_MAX_RELEASES]
        if release != index.release and _has(index.host, release, name)
    ]
    if not found:
        return ""
    releases = ", ".join(map(clean, found))
    return f"Of the installed kernels, {releases} {'has' if len(found) == 1 else 'have'} it."


def _unlisted(index: ModuleIndex, name: str) -> str:
    """Return the path of a file with the module's name that modules.dep does not list."""
    if index.scanned:
        return ""
    from kmodtui.kernel.index.scanned import module_files

    for folder in index.folders:
        for path in module_files(index.host, folder):
            if canonical(path) == name:
                return path
    return ""


def _has(host: Host, release: str, name: str) -> bool:
    """Return whether the modules.dep of a release lists a module."""
    spelling = re.escape(name).replace("_", "[-_]").encode()
    pattern = re.compile(rb"(?:^|/)" + spelling + rb"\.ko(?:\.\w+)?:", re.MULTILINE)
    for path in release_files(release, "modules.dep"):
        try:
            return pattern.search(host.read(path, _MAX_INDEX)) is not None
        except (OSError, KmodtuiError):
            continue
    return False


def package_hint(index: ModuleIndex, text: str) -> str:
    """Return the package that may have a module, on distributions that split their modules."""
    name, release = canonical(text), clean(index.release)
    if not is_module_name(name) or not index.folder or not re.search("[A-Za-z]", name):
        return ""
    if index.advice.storage is Storage.OPENWRT:
        return f"If there is a package kmod-{name.replace('_', '-')}, install it."
    if index.advice.storage is not Storage.PACKAGES:
        return ""
    distributions = _distributions(index.host)
    if "ubuntu" in distributions:
        package = f"linux-modules-extra-{release}"
        if not index.host.exists(f"/var/lib/dpkg/info/{package}.list"):
            return f"It may be in the package {package}."
    elif "debian" in distributions and "-cloud-" in release:
        machine = release.rpartition("-")[2]
        return f"The cloud kernel has fewer modules than that of linux-image-{machine}."
    elif distributions & _RED_HAT:
        if not any(index.place_of(other).startswith("extra/") for other in index.names):
            return f"It may be in the package kernel-modules-{release} or kernel-modules-extra."
    elif "alpine" in distributions and release.endswith("-virt"):
        return "The virt kernel has fewer modules than that of linux-lts."
    return ""


def _distributions(host: Host) -> frozenset[str]:
    """Return the words of ID and ID_LIKE in os-release."""
    for path in _OS_RELEASE:
        try:
            text = os.fsdecode(host.read(path, 64 * 1024))
        except OSError:
            continue
        values = re.findall(r"^ID(?:_LIKE)?=(.*)$", text, re.MULTILINE)
        return frozenset(" ".join(values).replace('"', " ").replace("'", " ").split())
    return frozenset()

"""Where the modules of a kernel release can be: the only component that knows.

Sources: `libkmod/libkmod.c` and `meson.options` (module_directory) in kmod; the patch
`module-dir.patch` of kmod in nixpkgs; `libmodprobe` in Android's system/core; `kmodloader.c` of
OpenWrt's ubox.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kmodtui.kernel.gvisor import is_gvisor
from kmodtui.kernel.host import Host
from kmodtui.kernel.in_root import real_path
from kmodtui.model.storage import Advice, Storage
from kmodtui.model.system import is_initial_id_map
from kmodtui.model.text import clean, decode

EXTENSIONS = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")

_INDEXES = ("modules.dep", "modules.dep.bin")

_BOOTED, _CURRENT = (
    f"/run/{which}-system/kernel-modules/lib/modules" for which in ("booted", "current")
)
_GUIX = "/run/booted-system/kernel/lib/modules"
_STANDARD = ("/lib/modules", "/usr/lib/modules")
_PARTITIONS = tuple(
    f"/{partition}/lib/modules"
    for partition in ("vendor_dlkm", "system_dlkm", "odm_dlkm", "vendor", "odm", "system")
)
"""The partitions that have modules of Android."""

_KMOD = ("/usr/bin/kmod", "/bin/kmod", "/usr/sbin/kmod", "/sbin/kmod", "/sbin/modprobe")
_MODPROBE = ("/sbin/modprobe", "/usr/sbin/modprobe", "/bin/modprobe", "/usr/bin/modprobe")
_BOXES = {"busybox": "BusyBox", "toybox": "Toybox"}
_CONTAINER_MARKS = (
    "/.dockerenv",
    "/run/.containerenv",
    "/run/systemd/container",
    "/run/secrets/kubernetes.io",
    "/var/run/secrets/kubernetes.io",
    "/dev/lxd",
)
_CONTAINER_GROUP = re.compile(rb"/(?:docker|kubepods|libpod|lxc|machine\.slice/libpod)", re.ASCII)
_MAX_PROGRAM = 8 * 1024 * 1024  # bytes; kmod has 170 KB


@dataclass(frozen=True, slots=True)
class Places:
    """The directories with modules of a release.

    Attributes:
        folders: directories that exist, the one that counts first. More than one only on
            Android.
        ignored: another directory of this release that kmod does not read; usually empty.
        unreadable: a directory that this user may not read; empty if there is none.
    """

    folders: tuple[str, ...] = ()
    ignored: str = ""
    unreadable: str = ""


def candidates(release: str) -> tuple[str, ...]:
    """Return the directories that can belong to a release, most of which do not exist.

    There are none if the release is unknown, that is, empty.
    """
    if not release:
        return ()
    return tuple(f"{top}/{release}" for top in (_BOOTED, _GUIX, _CURRENT, *_STANDARD))


def release_files(release: str, *names: str) -> tuple[str, ...]:
    """Return the paths that files beside the modules can have, such as `build/Module.symvers`."""
    return tuple(f"{folder}/{name}" for name in names for folder in candidates(release))


def find_places(host: Host, release: str) -> Places:
    """Return where the modules of a release are. Calls stat(2) a few times."""
    unreadable = ""
    found: dict[tuple[int, int], str] = {}
    # What is not readable may be the directory that counts: remember it, and go on.
    for folder in (*candidates(release), *_in_partitions(host, release)):
        try:
            status = host.stat(folder)
            if folder.startswith(_PARTITIONS) and not _has_modules(host, folder):
                continue
        except PermissionError:
            unreadable = unreadable or folder
            continue
        except (OSError, ValueError):
            continue
        found.setdefault((status.st_dev, status.st_ino), folder)
    folders = tuple(found.values())
    if not folders and not unreadable and release:
        # Without a directory for each release: Synology's DSM, the first stage of Android.
        folders = tuple(top for top in _STANDARD if _has_files(host, top))[:1]
    partitions = tuple(folder for folder in folders if folder.startswith(_PARTITIONS))
    others = tuple(folder for folder in folders if folder not in partitions)
    if not others:
        return Places(partitions, unreadable=unreadable)
    first, ignored = _first_of(host, others)
    return Places((first,), ignored, unreadable)


def _first_of(host: Host, folders: tuple[str, ...]) -> tuple[str, str]:
    """Return the directory that kmod reads, and a different one that it does not read."""
    if folders[0].startswith((_BOOTED, _GUIX)):
        return folders[0], ""
    standard = [folder for folder in folders if folder.startswith(_STANDARD)]
    if len(standard) < 2:
        return folders[0], ""
    indexed = [folder for folder in standard if has_index(host, folder)]
    if len(indexed) == 1:
        return indexed[0], ""
    lib, usr_lib = standard
    return (usr_lib, lib) if _kmod_reads_usr(host) else (lib, usr_lib)


def _kmod_reads_usr(host: Host) -> bool:
    """Return whether this system's kmod was built for /usr/lib/modules.

    The directory is a constant of the program: `"%s" MODULE_DIRECTORY "/%s"`.
    """
    for path in _KMOD:
        try:
            return b"/usr/lib/modules/%s" in host.read(path, _MAX_PROGRAM)
        except OSError:
            continue
    return False


def _in_partitions(host: Host, release: str) -> Iterator[str]:
    """Yield the directories on Android's partitions, which can be named after `major.minor`."""
    version = re.match(r"\d+\.\d+(?!\d)", release)
    named_after = re.compile(rf"{re.escape(version[0])}(?!\d)") if version else None
    for top in _PARTITIONS:
        yield f"{top}/{release}"
        yield top
        for name in _listed(host, top):
            if name != release and named_after and named_after.match(name):
                yield f"{top}/{name}"


def has_index(host: Host, folder: str) -> bool:
    """Return whether a directory has depmod's index of dependencies, as text or binary."""
    return any(host.exists(f"{folder}/{name}") for name in _INDEXES)


def _has_files(host: Host, folder: str) -> bool:
    try:
        return _has_modules(host, folder)
    except OSError:
        return False


def dangling_link(host: Host, release: str) -> tuple[str, str]:
    """Return the link on the way to a release's modules that leads nowhere, and its target.

    Both are empty if there is none.
    """
    for path in ("/lib", "/run/booted-system", *_STANDARD, *candidates(release)):
        try:
            target = host.readlink(path)
        except OSError:
            continue
        if not host.exists(path):
            return path, target
    return "", ""


def _has_modules(host: Host, folder: str) -> bool:
    names = host.listdir(folder)
    return any(name in _INDEXES or name.endswith(EXTENSIONS) for name in names)


def _listed(host: Host, folder: str) -> list[str]:
    try:
        return host.listdir(folder)
    except OSError:
        return []


def installed_releases(host: Host) -> tuple[str, ...]:
    """Return the kernel releases whose modules are installed, sorted by name."""
    found = set()
    for top in (_BOOTED, _GUIX, _CURRENT, *_STANDARD):
        names = _listed(host, top)
        found |= {name for name in names if has_index(host, f"{top}/{name}")}
    return tuple(sorted(found))


def all_releases(host: Host) -> tuple[str, ...]:
    """Return the same, with those that have modules and no index, sorted by name."""
    found = set(installed_releases(host))
    for top in (_BOOTED, _GUIX, _CURRENT, *_STANDARD):
        found |= {name for name in _listed(host, top) if host.exists(f"{top}/{name}/kernel")}
    return tuple(sorted(found))


def in_other_generation(host: Host, release: str, folder: str) -> str:
    """Return NixOS's directory for the next boot, if `folder` is that of another generation."""
    current = f"{_CURRENT}/{release}"
    if not folder.startswith(_BOOTED) or not host.exists(current):
        return ""
    one, other = host.stat(folder), host.stat(current)
    same = (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    return "" if same else current


def advice(host: Host, release: str, folder: str = "") -> Advice:
    """Return what to do about module files and their index on this system."""
    storage = _storage(host, release, folder)
    return Advice(storage, clean(release), clean(folder), captured=not host.live)


def _storage(host: Host, release: str, folder: str) -> Storage:
    def any_exists(*paths: str) -> bool:
        return any(map(host.exists, paths))

    if is_gvisor(host):
        return Storage.GVISOR
    if "microsoft" in release.lower():
        return Storage.WINDOWS
    if _is_container(host):
        return Storage.HOST
    if any_exists("/run/booted-system", "/run/current-system", "/etc/NIXOS"):
        return Storage.NIXOS
    if any_exists("/etc/openwrt_release", "/sbin/kmodloader") or _is_flat(host, folder):
        return Storage.OPENWRT
    flat = folder in _STANDARD and host.exists(f"{folder}/modules.dep")
    if (
        flat
        or folder.startswith(_PARTITIONS)
        or any_exists("/vendor_dlkm", "/system_dlkm", "/system/bin")
    ):
        return Storage.PARTITIONS
    if any_exists("/run/ostree-booted") or _is_read_only(host, folder or "/lib/modules"):
        return Storage.IMAGE
    return Storage.PACKAGES


def _is_flat(host: Host, folder: str) -> bool:
    """Return whether a directory has module files, but neither an index nor kmod to read one."""
    if not folder or has_kmod(host):
        return False
    names = _listed(host, folder)
    indexed = any(name.startswith("modules.") for name in names)
    return not indexed and any(name.endswith(EXTENSIONS) for name in names)


def _is_container(host: Host) -> bool:
    """Return whether the system is a container: its kernel belongs to another system."""
    if any(map(host.exists, _CONTAINER_MARKS)):
        return True
    with suppress(OSError):  # only root may read it
        if b"\0container=" in b"\0" + host.read("/proc/1/environ"):
            return True
    with suppress(OSError):
        if _CONTAINER_GROUP.search(host.read("/proc/1/cgroup")):
            return True
    try:
        return not is_initial_id_map(decode(host.read("/proc/self/uid_map")))
    except OSError:
        return False


def _is_read_only(host: Host, folder: str) -> bool:
    """Return whether the file system that has the directory is mounted read-only."""
    try:
        folder = real_path(folder, host.readlink)
        lines = os.fsdecode(host.read("/proc/self/mounts")).splitlines()
    except OSError:
        return False
    best, read_only = -1, False
    for line in lines:
        words = line.split()
        if len(words) < 4:
            continue
        point = words[1].rstrip("/")
        if (folder == point or folder.startswith(f"{point}/")) and len(point) >= best:
            best, read_only = len(point), "ro" in words[3].split(",")
    return read_only


def has_kmod(host: Host) -> bool:
    """Return whether the system loads modules with kmod, which needs an index."""
    return any(map(host.exists, _KMOD[:4])) and not host.exists("/sbin/kmodloader")


def loads_by_kmodloader(host: Host) -> bool:
    """Return whether modprobe is that of OpenWrt, which does not read modprobe.d."""
    return host.exists("/sbin/kmodloader") and not any(map(host.exists, _KMOD[:4]))


def loads_by_box(host: Host) -> str:
    """Return BusyBox or Toybox where modprobe is a part of it; it has no install rules."""
    for path in _MODPROBE:
        try:
            return _BOXES.get(host.readlink(path).rpartition("/")[2], "")
        except OSError:
            if host.exists(path):
                return ""
    return ""


def loads_by_libmodprobe(host: Host, folder: str) -> bool:
    """Return whether modprobe is that of Android, which does not read modprobe.d."""
    return folder.startswith(_PARTITIONS) and not any(map(host.exists, _KMOD[:4]))


def has_android_files(folder: str) -> bool:
    """Return whether a directory's modules are loaded by Android's modprobe."""
    return folder.startswith(_PARTITIONS) or folder in _STANDARD


def may_not_read(error: OSError) -> bool:
    """Return whether only root may read a file."""
    return error.errno in (errno.EACCES, errno.EPERM)

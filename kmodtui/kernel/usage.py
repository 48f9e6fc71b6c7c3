"""Finds what uses a module apart from other modules: the kernel has only a count of that.

It looks at mounts (/proc/self/mountinfo), block devices in use and swap (/sys/block,
/proc/swaps), network interfaces (/sys/class/net), device files that processes have open
(/proc/PID/fd), sockets (/proc/net/protocols), algorithms (/proc/crypto), live patches
(/sys/kernel/livepatch), consoles on framebuffers, kprobes and BPF programs. The result is not
complete: a module can have users that are not visible in these files.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator

from kmodtui.kernel.consoles import console_uses
from kmodtui.kernel.hooks import bpf_uses, kprobe_uses
from kmodtui.kernel.host import Host
from kmodtui.kernel.open_files import OpenFiles, Resolve
from kmodtui.kernel.routes import connection_interfaces
from kmodtui.kernel.small_files import (
    driver_module,
    list_names,
    read_lines,
    read_number,
    read_text,
)
from kmodtui.kernel.system import read_system
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, counted
from kmodtui.model.usage import Usage, Use, UseKind

_Found = tuple[str, Use]  # a module and a use of it

_IFF_UP = 1


def read_usage(
    host: Host,
    modules: Collection[str],
    resolve: Resolve,
    connection: str = "",
    *,
    open_files: bool = True,
) -> Usage:
    """Return what uses the given modules now, as far as this user is permitted to see it.

    This reads a file for each device and a link for each open file of each process, so call
    it off the event loop, and only when the user asks for it.

    Args:
        host: the observed system.
        modules: names of loaded modules.
        resolve: looks up an alias in the index.
        connection: the value of SSH_CONNECTION; empty for a local user.
        open_files: whether to read the open files of all processes, and what is attached to
            functions, which takes longest.
    """
    through = connection_interfaces(host, connection)
    client = connection.split(" ")[0]
    opened = OpenFiles(host, resolve)
    kprobes = _permitted(kprobe_uses(host)) or ()
    bpf = _permitted(bpf_uses(host)) if open_files else ()
    found: dict[str, list[Use]] = {}
    for module, use in (
        *_mounts(host, resolve),
        *_block_devices(host, resolve),
        *_interfaces(host, resolve, through, client),
        *(opened.uses() if open_files else ()),
        *_sockets(host),
        *_algorithms(host),
        *_live_patches(host),
        *console_uses(host),
        *kprobes,
        *(bpf or ()),
        *_bound_devices(host, modules),
    ):
        if module in modules:
            found.setdefault(module, []).append(use)
    by_module = {module: tuple(uses) for module, uses in found.items()}
    return Usage(by_module, opened.unseen, hooks_unseen=bpf is None)


def _permitted(found: Iterator[_Found]) -> tuple[_Found, ...] | None:
    """Return what was found; None if only root may look."""
    try:
        return tuple(found)
    except PermissionError:
        return None


# --- mounts and block devices -----------------------------------------------------------------


def _mount_lines(host: Host) -> Iterator[tuple[str, str, str, str]]:
    """Yield mount point, type, source and device number of each mount (`man 5 proc`)."""
    for line in read_lines(host, "/proc/self/mountinfo"):
        fields = line.split(" ")
        if "-" not in fields[6:]:
            continue
        rest = fields[fields.index("-", 6) + 1 :]
        if len(rest) >= 2:
            yield _unescaped(fields[4]), rest[0], _unescaped(rest[1]), fields[2]


def _mounts(host: Host, resolve: Resolve) -> Iterator[_Found]:
    seen: set[str] = set()
    for point, kind, source, number in _mount_lines(host):
        name = kind.partition(".")[0]  # fuse.sshfs belongs to fuse
        # A file system that is mounted in several places holds one reference.
        references = 0 if number in seen else 1
        seen.add(number)
        what = clean(f"{point} ({kind})")
        evidence = clean(f"/proc/self/mountinfo: {source} on {point} type {kind}")
        for module in {*resolve(f"fs-{name}"), canonical(name)}:
            yield module, Use(UseKind.MOUNT, what, evidence, references=references)


def _block_devices(host: Host, resolve: Resolve) -> Iterator[_Found]:
    """Yield block devices that are mounted, used as swap or by others, or backed by a file."""
    used: dict[str, list[tuple[str, str, int]]] = {}
    opens = _opens_of_swap(host)
    for point, _, source, _ in _mount_lines(host):
        if source.startswith("/dev/"):
            name = _device_name(host, source)
            # A device that is mounted in several places is opened once.
            again = any(words.startswith("mounted at ") for words, _, _ in used.get(name, ()))
            words = f"mounted at {point}"
            found = (words, "/proc/self/mountinfo", 0 if again else 1)
            used.setdefault(name, []).append(found)
    for line in read_lines(host, "/proc/swaps"):
        if line.startswith("/dev/"):
            name = _device_name(host, line.split()[0])
            used.setdefault(name, []).append(("used as swap", "/proc/swaps", opens))
    for disk in list_names(host, "/sys/block"):
        folder = f"/sys/block/{disk}"
        module = driver_module(host, folder) or _by_number(host, folder, resolve, "block")
        if not module:
            continue
        parts = [name for name in list_names(host, folder) if name.startswith(disk)]
        for name in (disk, *parts):
            device = folder if name == disk else f"{folder}/{name}"
            uses = [*used.get(name, ())]
            uses += [
                (f"used by {holder}", f"{device}/holders", 1)
                for holder in list_names(host, f"{device}/holders")
            ]
            if backing := read_text(host, f"{device}/loop/backing_file"):
                uses.append((f"backed by {backing}", f"{device}/loop/backing_file", 1))
            for words, file, references in uses:
                what, evidence = clean(f"{name}, {words}"), clean(f"{file}: {name} {words}")
                yield module, Use(UseKind.BLOCK_DEVICE, what, evidence, references=references)


def _opens_of_swap(host: Host) -> int:
    """Return how often the kernel opens a device for swap: twice before Linux 6.10.

    Source: `claim_swapfile` in `mm/swapfile.c`, which no longer opens it by its number.
    """
    version = re.match(r"(\d+)\.(\d+)", read_system(host).release or "")
    return 2 if version and (int(version[1]), int(version[2])) < (6, 10) else 1


def _device_name(host: Host, path: str) -> str:
    """Return the kernel's name of a device file, following a link such as by-uuid."""
    with contextlib.suppress(OSError):
        path = host.readlink(path)
    return path.rsplit("/", 1)[-1]


# --- network interfaces -----------------------------------------------------------------------


def _interfaces(
    host: Host, resolve: Resolve, through: Collection[str], client: str
) -> Iterator[_Found]:
    for name in list_names(host, "/sys/class/net"):
        folder = f"/sys/class/net/{name}"
        module, evidence = _interface_module(host, folder, name, resolve)
        if not module:
            continue
        up = read_number(host, f"{folder}/flags") & _IFF_UP
        what = clean(f"{name}, {'up' if up else 'down'}")
        connection = clean(client) if name in through else ""
        yield module, Use(UseKind.INTERFACE, what, clean(evidence), connection)


def _interface_module(host: Host, folder: str, name: str, resolve: Resolve) -> tuple[str, str]:
    """Return the module of an interface and the evidence for it; both empty if unknown."""
    if driver := driver_module(host, folder):
        return driver, f"{folder}/device/driver/module: {driver}"
    if host.exists(f"{folder}/tun_flags"):
        return "tun", f"{folder}/tun_flags"
    kind = ""
    for line in read_lines(host, f"{folder}/uevent"):
        if line.startswith("DEVTYPE="):
            kind = line.removeprefix("DEVTYPE=")
    guessed = name.rstrip("0123456789")
    for word, evidence in (
        (kind, f"{folder}/uevent: DEVTYPE={kind}"),
        (guessed if guessed != name else "", f"{folder}: inferred from the name"),
    ):
        # Hardware was handled above: wlan0 does not belong to a module named wlan.
        for module in resolve(f"rtnl-link-{word}") if word else ():
            return module, evidence
    return "", ""


# --- sockets, algorithms, live patches ----------------------------------------------------------


def _sockets(host: Host) -> Iterator[_Found]:
    """Yield protocols that have open sockets (`proto_seq_printf` in net/core/sock.c)."""
    for line in read_lines(host, "/proc/net/protocols")[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[7] != "kernel" and fields[2].isdigit() and int(fields[2]):
            count = counted(int(fields[2]), "socket")
            yield (
                canonical(fields[7]),
                Use(
                    UseKind.SOCKET,
                    clean(f"{fields[0]}, {count}"),
                    clean(f"/proc/net/protocols: {fields[0]} {count}"),
                    references=int(fields[2]),
                ),
            )


def _algorithms(host: Host) -> Iterator[_Found]:
    """Yield algorithms in use; the registration itself counts as one reference."""
    about: dict[str, str] = {}
    for line in (*read_lines(host, "/proc/crypto"), ""):
        key, _, value = line.partition(":")
        if key.strip():
            about[key.strip()] = value.strip()
            continue
        module, driver = about.get("module", "kernel"), about.get("driver", "")
        count = about.get("refcnt", "")
        if module != "kernel" and count.isdigit() and int(count) > 1:
            evidence = clean(f"/proc/crypto: {driver} refcnt {count}")
            use = Use(UseKind.ALGORITHM, clean(driver), evidence, references=int(count) - 1)
            yield canonical(module), use
        about = {}


def _live_patches(host: Host) -> Iterator[_Found]:
    """Yield live patches that are enabled or in transition: they hold a reference to themselves.

    Source: `__klp_enable_patch` in `kernel/livepatch/core.c`.
    """
    for name in list_names(host, "/sys/kernel/livepatch"):
        folder = f"/sys/kernel/livepatch/{name}"
        enabled = read_number(host, f"{folder}/enabled")
        moving = read_number(host, f"{folder}/transition")
        if not enabled and not moving:
            continue
        state = "in transition" if moving else "enabled"
        if not enabled:
            state = "being disabled, in transition"
        file = "transition" if moving else "enabled"
        use = Use(UseKind.LIVE_PATCH, f"{clean(name)}, {state}", clean(f"{folder}/{file}: 1"))
        yield canonical(name), use


# --- devices with a driver of a module --------------------------------------------------------


def _bound_devices(host: Host, modules: Collection[str]) -> Iterator[_Found]:
    """Yield the devices that drivers of these modules are bound to, without network interfaces.

    /sys/module/NAME/drivers holds a link to each driver, `pci:e1000`, and the driver's
    directory a link to each of its devices.
    """
    interfaces = set()
    for name in list_names(host, "/sys/class/net"):
        with contextlib.suppress(OSError):
            interfaces.add(host.readlink(f"/sys/class/net/{name}/device").rsplit("/", 1)[-1])
    for module in modules:
        for driver in list_names(host, f"/sys/module/{module}/drivers"):
            bus, _, name = driver.partition(":")
            directory = f"/sys/bus/{bus}/drivers/{name}"
            for device in list_names(host, directory):
                if device == "module" or device in interfaces:
                    continue
                with contextlib.suppress(OSError):
                    host.readlink(f"{directory}/{device}")  # other files are attributes
                    evidence = clean(f"{directory}: {device}")
                    yield module, Use(UseKind.DEVICE, clean(f"{device} ({bus})"), evidence)


# --- files ------------------------------------------------------------------------------------


def _by_number(host: Host, folder: str, resolve: Resolve, kind: str) -> str:
    major, _, minor = read_text(host, f"{folder}/dev").partition(":")
    if not major.isdigit() or not minor.isdigit():
        return ""
    return next(iter(resolve(f"{kind}-major-{major}-{minor}")), "")


def _unescaped(text: str) -> str:
    """Decode the octal escapes for space, tab, newline and backslash in a mountinfo field."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

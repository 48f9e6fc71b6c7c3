"""Finds what uses a module apart from other modules: the kernel has only a count of that.

It looks at mounts (/proc/self/mountinfo), block devices in use and swap (/sys/block,
/proc/swaps), network interfaces (/sys/class/net), device files that processes have open
(/proc/PID/fd), sockets (/proc/net/protocols), algorithms (/proc/crypto), live patches
(/sys/kernel/livepatch), consoles on framebuffers, kprobes and BPF programs. The result is not
complete: a module can have users that are not visible in these files.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from functools import cached_property

from kmodtui.kernel.consoles import console_uses
from kmodtui.kernel.hooks import bpf_uses, kprobe_uses
from kmodtui.kernel.host import Host
from kmodtui.kernel.routes import connection_interfaces
from kmodtui.model.modules import canonical
from kmodtui.model.text import clean, counted, decode, natural_key
from kmodtui.model.usage import Usage, Use, UseKind

Resolve = Callable[[str], Collection[str]]
"""Returns the modules that an alias such as `fs-btrfs` resolves to."""

_Found = tuple[str, Use]  # a module and a use of it

# The device files of input handlers have no driver: the handler is known by the file's name.
_INPUT = {"event": "evdev", "mouse": "mousedev", "mice": "mousedev", "js": "joydev"}

_MAX_OPEN_FILES = 50_000
_MAX_FILE = 1024 * 1024
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
    opened = _OpenFiles(host, resolve)
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
    for line in _lines(host, "/proc/self/mountinfo"):
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
    used: dict[str, list[tuple[str, str]]] = {}
    for point, _, source, _ in _mount_lines(host):
        if source.startswith("/dev/"):
            words = (f"mounted at {point}", "/proc/self/mountinfo")
            used.setdefault(_device_name(host, source), []).append(words)
    for line in _lines(host, "/proc/swaps"):
        if line.startswith("/dev/"):
            name = _device_name(host, line.split()[0])
            used.setdefault(name, []).append(("used as swap", "/proc/swaps"))
    for disk in _listed(host, "/sys/block"):
        folder = f"/sys/block/{disk}"
        module = _driver(host, folder) or _by_number(host, folder, resolve, "block")
        if not module:
            continue
        parts = [name for name in _listed(host, folder) if name.startswith(disk)]
        for name in (disk, *parts):
            device = folder if name == disk else f"{folder}/{name}"
            uses = [*used.get(name, ())]
            uses += [
                (f"used by {holder}", f"{device}/holders")
                for holder in _listed(host, f"{device}/holders")
            ]
            if backing := _text(host, f"{device}/loop/backing_file"):
                uses.append((f"backed by {backing}", f"{device}/loop/backing_file"))
            for position, (words, file) in enumerate(uses):
                what, evidence = clean(f"{name}, {words}"), clean(f"{file}: {name} {words}")
                # A device that is mounted in several places is opened once.
                again = position > 0 and words.startswith("mounted at ")
                references = 0 if again else 1
                yield module, Use(UseKind.BLOCK_DEVICE, what, evidence, references=references)


def _device_name(host: Host, path: str) -> str:
    """Return the kernel's name of a device file, following a link such as by-uuid."""
    with contextlib.suppress(OSError):
        path = host.readlink(path)
    return path.rsplit("/", 1)[-1]


# --- network interfaces -----------------------------------------------------------------------


def _interfaces(
    host: Host, resolve: Resolve, through: Collection[str], client: str
) -> Iterator[_Found]:
    for name in _listed(host, "/sys/class/net"):
        folder = f"/sys/class/net/{name}"
        module, evidence = _interface_module(host, folder, name, resolve)
        if not module:
            continue
        up = _number(host, f"{folder}/flags") & _IFF_UP
        what = clean(f"{name}, {'up' if up else 'down'}")
        connection = clean(client) if name in through else ""
        yield module, Use(UseKind.INTERFACE, what, clean(evidence), connection)


def _interface_module(host: Host, folder: str, name: str, resolve: Resolve) -> tuple[str, str]:
    """Return the module of an interface and the evidence for it; both empty if unknown."""
    if driver := _driver(host, folder):
        return driver, f"{folder}/device/driver/module: {driver}"
    if host.exists(f"{folder}/tun_flags"):
        return "tun", f"{folder}/tun_flags"
    kind = ""
    for line in _lines(host, f"{folder}/uevent"):
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


# --- open files, sockets, algorithms ----------------------------------------------------------


class _OpenFiles:
    """Device files that processes have open, as far as this user may see them."""

    def __init__(self, host: Host, resolve: Resolve) -> None:
        self.unseen = 0
        self._host = host
        self._resolve = resolve
        self._modules: dict[int, str] = {}

    def uses(self) -> Iterator[_Found]:
        """Yield them, and count in `unseen` the processes that this user may not inspect."""
        left = _MAX_OPEN_FILES
        for process in filter(str.isdigit, _listed(self._host, "/proc")):
            try:
                files = self._host.listdir(f"/proc/{process}/fd")
            except PermissionError:
                self.unseen += 1
                continue
            except OSError:
                continue
            seen: set[str] = set()
            for file in files[:left]:
                module, path = self._device(f"/proc/{process}/fd/{file}")
                if module and path not in seen:
                    seen.add(path)
                    command = _text(self._host, f"/proc/{process}/comm")
                    who = f"{command or 'process'} ({process}{self._user_of(process)})"
                    yield (
                        module,
                        Use(
                            UseKind.OPEN_FILE,
                            clean(f"{path}, opened by {who}"),
                            clean(f"/proc/{process}/fd/{file}: {path}"),
                        ),
                    )
            left -= len(files)
            if left <= 0:
                return

    def _user_of(self, process: str) -> str:
        """Return `, user NAME` for the owner of a process; empty if that is unknown."""
        for line in _lines(self._host, f"/proc/{process}/status"):
            if line.startswith("Uid:") and (number := line.split()[1:2]):
                return f", user {self._users.get(number[0], number[0])}"
        return ""

    @cached_property
    def _users(self) -> dict[str, str]:
        """The names of users by number, from /etc/passwd."""
        rows = [line.split(":") for line in _lines(self._host, "/etc/passwd")]
        return {row[2]: row[0] for row in reversed(rows) if len(row) > 2}

    def _device(self, link: str) -> tuple[str, str]:
        """Return module and path of the device file that a descriptor refers to, or empty ones."""
        try:
            path = self._host.readlink(link)
            if not path.startswith("/dev/"):
                return "", ""
            status = self._host.stat(link)
        except OSError:
            return "", ""
        if not stat.S_ISCHR(status.st_mode):
            return "", ""
        if status.st_rdev not in self._modules:
            self._modules[status.st_rdev] = self._module_of(status.st_rdev, path)
        return self._modules[status.st_rdev], path

    def _module_of(self, number: int, path: str) -> str:
        major, minor = os.major(number), os.minor(number)
        folder = f"/sys/dev/char/{major}:{minor}"
        if path.startswith("/dev/input/"):
            word = path.rsplit("/", 1)[-1].rstrip("0123456789")
            return _INPUT.get(word, "")
        # The driver of a sound card is one level up: the card is between device and file.
        for device in (folder, f"{folder}/device"):
            if module := _driver(self._host, device):
                return module
        for module in self._resolve(f"char-major-{major}-{minor}"):
            return module
        for module in self._resolve(f"devname:{path.removeprefix('/dev/')}"):
            return module
        return ""


def _sockets(host: Host) -> Iterator[_Found]:
    """Yield protocols that have open sockets (`proto_seq_printf` in net/core/sock.c)."""
    for line in _lines(host, "/proc/net/protocols")[1:]:
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
    for line in (*_lines(host, "/proc/crypto"), ""):
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
    for name in _listed(host, "/sys/kernel/livepatch"):
        folder = f"/sys/kernel/livepatch/{name}"
        enabled = _number(host, f"{folder}/enabled")
        moving = _number(host, f"{folder}/transition")
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
    for name in _listed(host, "/sys/class/net"):
        with contextlib.suppress(OSError):
            interfaces.add(host.readlink(f"/sys/class/net/{name}/device").rsplit("/", 1)[-1])
    for module in modules:
        for driver in _listed(host, f"/sys/module/{module}/drivers"):
            bus, _, name = driver.partition(":")
            directory = f"/sys/bus/{bus}/drivers/{name}"
            for device in _listed(host, directory):
                if device == "module" or device in interfaces:
                    continue
                with contextlib.suppress(OSError):
                    host.readlink(f"{directory}/{device}")  # other files are attributes
                    evidence = clean(f"{directory}: {device}")
                    yield module, Use(UseKind.DEVICE, clean(f"{device} ({bus})"), evidence)


# --- files ------------------------------------------------------------------------------------


def _driver(host: Host, folder: str) -> str:
    """Return the module of a device's driver, given its /sys directory; empty if it has none."""
    try:
        return canonical(host.readlink(f"{folder}/device/driver/module"))
    except OSError:
        return ""


def _by_number(host: Host, folder: str, resolve: Resolve, kind: str) -> str:
    major, _, minor = _text(host, f"{folder}/dev").partition(":")
    if not major.isdigit() or not minor.isdigit():
        return ""
    return next(iter(resolve(f"{kind}-major-{major}-{minor}")), "")


def _unescaped(text: str) -> str:
    """Decode the octal escapes for space, tab, newline and backslash in a mountinfo field."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _lines(host: Host, path: str) -> list[str]:
    try:
        return decode(host.read(path, _MAX_FILE)).splitlines()
    except OSError:
        return []


def _text(host: Host, path: str) -> str:
    return next(iter(_lines(host, path)), "").strip()


def _number(host: Host, path: str) -> int:
    try:
        return int(_text(host, path), 0)
    except ValueError:
        return 0


def _listed(host: Host, path: str) -> list[str]:
    """Return the names in a directory, `nbd2` before `nbd10`; none if it cannot be read."""
    try:
        return sorted(host.listdir(path), key=natural_key)
    except OSError:
        return []

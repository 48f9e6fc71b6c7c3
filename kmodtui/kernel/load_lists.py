"""Finds where the configuration of a system names a module to be loaded.

Sources: `man 5 modules-load.d`, `man 8 systemd-modules-load.service` (kernel command line),
`man 5 modules` (Debian), `man 8 initramfs-tools`, `man 5 dracut.conf`, `man 5 mkinitcpio.conf`,
`man 7 udev` (`RUN{builtin}`), `man 5 systemd.service`; `main_loader` in OpenWrt's ubox
(`kmodloader.c`); `LoadListedModules` in Android's libmodprobe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kmodtui.kernel.host import Host
from kmodtui.kernel.index.places import find_places, has_android_files
from kmodtui.kernel.system import read_system
from kmodtui.model.about.facts import Listing
from kmodtui.model.modules import canonical
from kmodtui.model.plan.plan import KERNEL_COMMAND_LINE
from kmodtui.model.text import clean, decode

MODULES_LOAD = (
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
)
"""If several of these have a file of the same name, the first one counts."""

UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system",
          "/lib/systemd/system")  # fmt: skip
_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_DRACUT = ("/etc/dracut.conf.d", "/usr/lib/dracut/dracut.conf.d")

_AT_BOOT = "listed there: loaded at boot"
_COMMAND_LINE = ("modules_load", "modules-load")
_DRACUT_WORDS = {
    "force_drivers": "loaded in the initramfs (dracut)",
    "add_drivers": "added to the initramfs (dracut)",
}
_MAX_FILE = 1024 * 1024
_EXEC = re.compile(r"Exec\w+=.*\b(?:modprobe|insmod)\b(.*)")
_MODPROBE_UNIT = re.compile(r"modprobe@([A-Za-z0-9_\\-]+)\.service")
_UDEV = re.compile(r'"kmod load ([^"]*)"|modprobe\s+(?:-\S+\s+)*([\w-]+)')

_Line = tuple[str, str]  # its source `FILE:NUMBER`, and its text


def read_listings(host: Host, name: str) -> tuple[Listing, ...]:
    """Return the places that name a module. Reads some hundred files: not for the event loop."""
    found = _listings(_all(host))
    return tuple(listing for listed, listing in found if listed == canonical(name))


def read_boot_listings(host: Host) -> dict[str, tuple[Listing, ...]]:
    """Return the places that have modules loaded at every boot, by module. Reads few files."""
    found: dict[str, tuple[Listing, ...]] = {}
    for name, listing in _listings(_at_boot(host)):
        if not listing.possible:
            found[name] = (*found.get(name, ()), listing)
    return found


def listed_modules(host: Host, path: str) -> tuple[str, ...]:
    """Return the modules that a file in modules-load.d lists; none if it cannot be read."""
    return tuple(canonical(text.split()[0]) for _, text in _entries(host, path))


def read_listed(host: Host) -> dict[str, str]:
    """Return the source of the first place that names each module or alias, by that text.

    Reads as many files as `read_listings`.
    """
    found: dict[str, str] = {}
    for names, source, *_ in _all(host):
        for name in names:
            found.setdefault(name, source)
    return found


_Found = tuple[Iterable[str], str, str, str, bool]


def _all(host: Host) -> Iterator[_Found]:
    yield from _at_boot(host)
    yield from _units(host)
    yield from _udev_rules(host)


def _at_boot(host: Host) -> Iterator[_Found]:
    yield from _command_line(host)
    yield from _modules_load(host)
    yield from _openwrt(host)
    yield from _android(host)
    yield from _initramfs(host)


def _listings(found: Iterable[_Found]) -> Iterator[tuple[str, Listing]]:
    for names, source, words, line, possible in found:
        listing = Listing(source, words, clean(line.strip()), possible)
        yield from ((name, listing) for name in dict.fromkeys(map(canonical, names)))


def _command_line(host: Host) -> Iterator[_Found]:
    try:
        text = decode(host.read("/proc/cmdline", 4095))
    except OSError:
        return
    for word in text.split():
        key, _, value = word.partition("=")
        bare = key.removeprefix("rd.")
        if bare in _COMMAND_LINE:
            where = "in the initramfs" if key.startswith("rd.") else "at boot"
            words = f"listed there: loaded {where} by systemd-modules-load"
            yield value.split(","), KERNEL_COMMAND_LINE, words, word, False
        elif key in ("rd.driver.pre", "rd.driver.post"):
            words = "listed there: loaded in the initramfs (dracut)"
            yield value.split(","), KERNEL_COMMAND_LINE, words, word, False


def _modules_load(host: Host) -> Iterator[_Found]:
    files = {"": "/etc/modules"}
    # Debian links a file of modules-load.d to /etc/modules: it is reported once.
    for folder in MODULES_LOAD:
        for file in _names(host, folder):
            path = f"{folder}/{file}"
            if file.endswith(".conf") and file not in files:
                files[file] = path
    seen = set()
    for path in files.values():
        real = host.locate(path)
        for source, text in _entries(host, path):
            if (real_line := (_target(host, path) or real, source.rpartition(":")[2])) in seen:
                continue
            seen.add(real_line)
            yield text.split()[:1], source, _AT_BOOT, text, False


def _openwrt(host: Host) -> Iterator[_Found]:
    for folder in ("/etc/modules-boot.d", "/etc/modules.d"):
        for name in _names(host, folder):
            for source, text in _entries(host, f"{folder}/{name}"):
                words = "listed there: loaded at boot by OpenWrt's kmodloader"
                yield text.split()[:1], source, words, text, False


def _android(host: Host) -> Iterator[_Found]:
    release = read_system(host).release or ""
    for folder in find_places(host, release).folders:
        if has_android_files(folder):
            for source, text in _entries(host, f"{folder}/modules.load"):
                yield [text], source, "listed there: loaded at boot by Android's init", text, False


def _entries(host: Host, path: str) -> Iterator[_Line]:
    """Yield the lines of a file in modules-load.d that are neither empty nor a comment."""
    for source, line in _lines(host, path):
        text = line.strip()
        if text and text[0] not in "#;":
            yield source, text


def _initramfs(host: Host) -> Iterator[_Found]:
    for path in (
        "/etc/initramfs-tools/modules",
        *_paths(host, ("/usr/share/initramfs-tools/modules.d",)),
    ):
        for source, line in _lines(host, path):
            text = line.partition("#")[0].split()
            yield text[:1], source, "listed there: loaded in the initramfs", line, False
    for path in ("/etc/dracut.conf", *_paths(host, _DRACUT)):
        for source, line in _lines(host, path):
            key, _, value = line.strip().partition("+=")
            if words := _DRACUT_WORDS.get(key):
                yield value.strip("\"' ").split(), source, words, line, key == "add_drivers"
    for source, line in _lines(host, "/etc/mkinitcpio.conf"):
        key, _, value = line.strip().partition("=")
        if key in ("MODULES", "MODULES+"):
            words = "listed there: loaded in the initramfs (mkinitcpio)"
            yield value.strip("()\"' ").split(), source, words, line, False


def _units(host: Host) -> Iterator[_Found]:
    for path in _paths(host, UNITS, (".service", ".mount", ".socket", ".target", ".conf")):
        unit = path.rsplit("/", 1)[-1]
        for source, line in _lines(host, path):
            if line.startswith(("#", ";")):
                continue
            names = [name.replace("\\x2d", "-") for name in _MODPROBE_UNIT.findall(line)]
            if match := _EXEC.match(line.strip()):
                names += [word for word in match[1].split() if not word.startswith("-")]
            if names:
                yield names, source, f"named by the systemd unit {unit}", line, True


def _udev_rules(host: Host) -> Iterator[_Found]:
    for path in _paths(host, _RULES, (".rules",)):
        for source, line in _lines(host, path):
            if line.lstrip().startswith("#"):
                continue
            names = [word for pair in _UDEV.findall(line) for word in " ".join(pair).split()]
            if names:
                yield names, source, "loaded by a udev rule when such a device appears", line, True


def _target(host: Host, path: str) -> str:
    """Return where a link to `/etc/modules` leads to; empty for another file."""
    try:
        target = host.readlink(path)
    except OSError:
        return ""
    return host.locate("/etc/modules") if target in ("../modules", "/etc/modules") else ""


def _paths(host: Host, folders: Iterable[str], endings: tuple[str, ...] = ("",)) -> list[str]:
    """Return the files in some directories; the first of a name counts."""
    files: dict[str, str] = {}
    for folder in folders:
        for name in _names(host, folder):
            if name.endswith(endings):
                files.setdefault(name, f"{folder}/{name}")
    return list(files.values())


def _names(host: Host, folder: str) -> list[str]:
    try:
        return host.listdir(folder)
    except OSError:
        return []


def _lines(host: Host, path: str) -> Iterator[_Line]:
    try:
        text = decode(host.read(path, _MAX_FILE))
    except OSError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        yield f"{path}:{number}", line

"""Reader of everything in which the kernel shows its modules, for the cross-check.

Sources: `kernel/module/procfs.c`, `kernel/module/sysfs.c`, `kernel/kprobes.c`
(`report_probe`), `kernel/trace/ftrace.c` (`t_show`), `mm/vmalloc.c` (`vmalloc_info_show`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from kmodtui.kernel.host import Host
from kmodtui.kernel.kallsyms import is_pseudo_owner
from kmodtui.kernel.proc_modules import parse_modules, read_raw
from kmodtui.kernel.sysfs import FOLDER
from kmodtui.kernel.system import read_tainted
from kmodtui.model.crosscheck.compare import tainting, unlisted_areas
from kmodtui.model.crosscheck.evidence import Area, Evidence, Source, SysModule
from kmodtui.model.modules import ModuleTable, is_module_name, taint_flags
from kmodtui.model.text import clean, decode

ROOT_FILES = {
    "modules": ("/proc/modules",),
    "vmallocinfo": ("/proc/vmallocinfo",),
    "kprobes": ("/sys/kernel/debug/kprobes/list",),
    "ftrace": (
        "/sys/kernel/tracing/enabled_functions",
        "/sys/kernel/debug/tracing/enabled_functions",
    ),
    "ftrace-available": (
        "/sys/kernel/tracing/available_filter_functions",
        "/sys/kernel/debug/tracing/available_filter_functions",
    ),
}
"""What only root can read, by the helper's operation."""

SOURCES = {
    Source.VMALLOC: "vmallocinfo",
    Source.KPROBES: "kprobes",
    Source.FTRACE_ENABLED: "ftrace",
    Source.FTRACE_AVAILABLE: "ftrace-available",
}

ONLY_ROOT = "only root can read it, if this kernel has it"

NOT_CAPTURED = "it is not in this captured tree"

RootFiles = Mapping[str, bytes]
"""The content of those files, by operation; without those that could not be read."""

_MAX_LOG = 200_000
_OWNER = re.compile(rb"(?m)\t\[([^\]\t\n]+)\]$")
_DATA = re.compile(rb"(?m)^[0-9a-f]+ [dDbBrR] [^\n]*\t\[(?!bpf\]|__builtin__)")
_BRACKETS = re.compile(r"\[([A-Za-z0-9_]{1,55})\]")
_FLAGS = frozenset({"FTRACE", "DISABLED", "OPTIMIZED", "GONE"})
_KPROBE = re.compile(r"[0-9a-f]+\s+[kr]\s+\S+\+0x[0-9a-f]+\s+([A-Za-z0-9_]{1,55})(?:\s|$)")
_ADDRESS = re.compile(r"(?m)^(?=[0-9a-fx]*\d)((?:0x)?[0-9a-f]{8}|(?:0x)?[0-9a-f]{16})(?=\s|$)")
_AREA = re.compile(
    r"(?m)^0x([0-9a-f]+)-0x[0-9a-f]+ +(\d{1,18}) "
    r"(?:load_module|move_module|layout_and_allocate|module_alloc)\b[^\n]*? pages=(\d{1,18})"
)


def read_root_files(host: Host) -> dict[str, bytes]:
    """Return the files for root that this process may read itself."""
    found = {}
    for operation, paths in ROOT_FILES.items():
        for path in paths:
            try:
                found[operation] = host.read(path)
                break
            except OSError:
                continue
    return found


def read_evidence(host: Host, log: Iterable[str] | None, root: RootFiles) -> Evidence:
    """Return one reading.

    Args:
        host: the system.
        log: the lines of the kernel log; None if it cannot be read.
        root: what was read as root, at about the same time.

    Raises:
        KmodtuiError: there is no /proc/modules.
    """
    missing: dict[Source, str] = {}
    sequence = _sequence(host)
    raw = read_raw(host)
    before = parse_modules(root["modules"]) if "modules" in root else ModuleTable()
    owners, data_symbols = _owners(host, missing)
    sysfs, builtin = _sysfs(host, missing)
    drivers = _drivers(host)
    taint = read_tainted(host)
    if taint is None:
        missing[Source.TAINT] = "it cannot be read"
    if log is None:
        missing[Source.LOG] = "it cannot be read by this user" if host.live else NOT_CAPTURED
    after = read_raw(host)
    tables = (parse_modules(raw), parse_modules(after))
    # Only root sees addresses; the list itself is the one that was read with the rest.
    table = before if before.by_name.keys() == tables[0].by_name.keys() else tables[0]
    hooks = _hooks(root)
    for source, operation in SOURCES.items():
        if operation not in root:
            missing[source] = ONLY_ROOT if host.live else NOT_CAPTURED
    found = Evidence(
        table=table,
        listed=frozenset(name for each in (before, *tables) for name in _listed(each)),
        quiet=raw == after and sequence == _sequence(host) and all(t.settled for t in tables),
        sysfs=sysfs,
        builtin=builtin,
        owners=owners,
        data_symbols=data_symbols,
        drivers=drivers,
        taint=taint_flags(taint or 0),
        log=tainting(log or ()),
        hooks=hooks,
        strange=_strange(root),
        areas=_areas(root),
        missing=missing,
    )
    if Source.VMALLOC not in missing and unlisted_areas(found) is None:
        missing[Source.VMALLOC] = "its areas cannot be attributed to modules on this kernel"
    return found


def _listed(table: ModuleTable) -> Iterable[str]:
    """Yield the names in /proc/modules, also of lines that are malformed."""
    yield from table.by_name
    yield from (line.split()[0] for line in table.malformed if line.strip())


def read_log_lines(host: Host) -> list[str] | None:
    """Return the lines of the kernel log; None if this process may not read it."""
    try:
        log = host.kernel_log()
    except OSError:
        return None
    try:
        return [clean(record.text) for record in log.read(_MAX_LOG)]
    except (OSError, EOFError):
        return None
    finally:
        log.close()


def _sequence(host: Host) -> bytes:
    """Return the number of the last uevent: each load and each unload sends one."""
    try:
        return host.read("/sys/kernel/uevent_seqnum", 64)
    except OSError:
        return b""


def _owners(host: Host, missing: dict[Source, str]) -> tuple[frozenset[str], bool]:
    try:
        data = host.read("/proc/kallsyms")
    except OSError as error:
        missing[Source.KALLSYMS] = clean(str(error.strerror))
        return frozenset(), False
    names = (clean(decode(name)) for name in set(_OWNER.findall(data)))
    owners = frozenset(name for name in names if not is_pseudo_owner(name))
    return owners, _DATA.search(data) is not None


def _sysfs(host: Host, missing: dict[Source, str]) -> tuple[dict[str, SysModule], frozenset[str]]:
    try:
        names = host.listdir(FOLDER)
    except OSError as error:
        missing[Source.SYSFS] = clean(str(error.strerror))
        return {}, frozenset()
    found, others = {}, set()
    for name in names:
        state = _text(host, f"{FOLDER}/{name}/initstate")
        if not state:
            others.add(clean(name))
            continue
        count = _text(host, f"{FOLDER}/{name}/refcnt")
        found[clean(name)] = SysModule(
            _inode(host, f"{FOLDER}/{name}"),
            state,
            int(count) if re.fullmatch(r"-?\d{1,10}", count) else None,
            _names(host, f"{FOLDER}/{name}/holders"),
        )
    return found, frozenset(others)


def _drivers(host: Host) -> dict[str, str]:
    found = {}
    for bus in _names(host, "/sys/bus"):
        for driver in _names(host, f"/sys/bus/{bus}/drivers"):
            path = f"/sys/bus/{bus}/drivers/{driver}"
            try:
                name = host.readlink(f"{path}/module").rsplit("/", 1)[-1]
            except OSError:
                continue
            found[clean(name)] = clean(path)
    return found


def _hooks(root: RootFiles) -> dict[Source, dict[str, str]]:
    """Return a line for each module that kprobes and ftrace name."""
    readers: dict[Source, Callable[[str], Iterable[str]]] = {
        Source.KPROBES: _of_kprobe,
        Source.FTRACE_ENABLED: _in_brackets,
        Source.FTRACE_AVAILABLE: _in_brackets,
    }
    found: dict[Source, dict[str, str]] = {}
    for source, names_in in readers.items():
        lines = decode(root.get(SOURCES[source], b"")).splitlines()
        for line in lines:
            for name in names_in(line):
                if is_module_name(name) and not is_pseudo_owner(name):
                    found.setdefault(source, {}).setdefault(name, clean(line[:200]))
    return found


def _of_kprobe(line: str) -> Iterable[str]:
    match = _KPROBE.match(line)
    return (match[1],) if match else ()


def _in_brackets(line: str) -> Iterable[str]:
    return [name for name in _BRACKETS.findall(line) if name not in _FLAGS]


def _strange(root: RootFiles) -> tuple[str, ...]:
    return tuple(_ADDRESS.findall(decode(root.get("ftrace-available", b""))))


def _areas(root: RootFiles) -> tuple[Area, ...]:
    """Return the areas in vmallocinfo that were allocated for modules, with their guard pages."""
    text = decode(root.get("vmallocinfo", b""))
    found = []
    for start, size, pages in _AREA.findall(text):
        page = int(size) // (int(pages) + 1)
        found.append(Area(int(start, 16), int(size) - page, page))
    return tuple(sorted(found, key=lambda area: area.start))


def _text(host: Host, path: str) -> str:
    try:
        return clean(decode(host.read(path, 4096)).strip())
    except OSError:
        return ""


def _inode(host: Host, path: str) -> int:
    try:
        return host.stat(path).st_ino
    except OSError:
        return 0


def _names(host: Host, path: str) -> tuple[str, ...]:
    try:
        return tuple(map(clean, host.listdir(path)))
    except OSError:
        return ()

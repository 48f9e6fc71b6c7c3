"""Looks for modules that some parts of the kernel show and others do not.

A load or an unload between two files looks the same as a hidden module, so everything is read
again until the differences that stay are certain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from kmodtui.kernel.crosscheck import (
    ONLY_ROOT,
    ROOT_FILES,
    RootFiles,
    read_evidence,
    read_log_lines,
    read_root_files,
)
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.loaded_difference import loaded_difference
from kmodtui.kernel.packages import read_packaged
from kmodtui.model.crosscheck.compare import QUIET, differences, explained, lasting, nowhere
from kmodtui.model.crosscheck.evidence import BASIC, Evidence, Source
from kmodtui.model.crosscheck.finding import Difference, Kind, Sign
from kmodtui.model.scope import Scope
from kmodtui.model.text import clean, counted
from kmodtui.services.machine import Machine

PAUSE = 0.4
"""Seconds between two readings."""

FEWEST, MOST = 3, 6
"""Number of readings, if the first one has differences."""

ReadRoot = Callable[[], Awaitable[RootFiles]]
"""Returns what only root can read."""

Log = Sequence[str] | None


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The result.

    Attributes:
        findings: the differences that stay.
        compared: what was compared, in a few words each.
        missing: what was not, and why.
        readings: how often the kernel was read.
        undetermined: whether so much is missing that nothing can be said.
    """

    findings: tuple[Difference, ...]
    compared: tuple[str, ...]
    missing: dict[str, str] = field(default_factory=dict)
    readings: int = 1
    undetermined: bool = False


async def cross_check(
    machine: Machine, read_root: ReadRoot | None = None, log: Log = None, pause: float = PAUSE
) -> CrossCheck:
    """Return what the cross-check found. Takes some seconds.

    Args:
        machine: the observed machine.
        read_root: reads the files that only root can read; None for those that this process can.
        log: the lines of the kernel log, if they have been read as root.
        pause: seconds between two readings.

    Raises:
        KmodtuiError: there is no /proc/modules, or the helper fails.
    """
    host = machine.host
    lines = await asyncio.to_thread(read_log_lines, host) if log is None else log
    readings: list[Evidence] = []
    while len(readings) < MOST:
        root = await read_root() if read_root else await asyncio.to_thread(read_root_files, host)
        readings.append(await asyncio.to_thread(read_evidence, host, lines, root))
        if not host.live or not _left(readings):
            break
        quiet = sum(each.quiet for each in readings)
        if len(readings) >= FEWEST and quiet >= QUIET:
            break
        await asyncio.sleep(pause)
    return await asyncio.to_thread(_result, machine, readings, as_root=read_root is not None)


def _left(readings: Sequence[Evidence]) -> bool:
    """Return whether a difference is in all readings so far."""
    keys = [{(d.kind, d.subject) for d in differences(each)} for each in readings]
    # One that is missing only in an unquiet reading may be there nevertheless.
    settled = [own for own, each in zip(keys, readings, strict=True) if each.quiet] or keys
    return bool(set.intersection(*settled))


async def root_files(
    machine: Machine, foreground: Callable[[], AbstractContextManager[None]]
) -> tuple[ReadRoot, Log]:
    """Return what reads the files for root through the helper, and the kernel log.

    Raises:
        KmodtuiError: there is no root session, or the helper is an older one.
    """
    channel = await machine.channel(foreground, Scope.READ)

    async def read() -> RootFiles:
        found = {}
        for operation in ROOT_FILES:
            result = await channel.read_file(operation)
            if result.ok:
                found[operation] = result.data
        return found

    logged = await channel.read_log()
    lines = [clean(record.text) for record in logged.log] if logged.ok else None
    return read, lines


# --- the result -------------------------------------------------------------------------------


def _result(machine: Machine, readings: Sequence[Evidence], *, as_root: bool) -> CrossCheck:
    last = readings[-1]
    missing = {
        str(source): "root cannot read it either" if as_root and why == ONLY_ROOT else why
        for source, why in last.missing.items()
    }
    index = machine.index_now() if machine.looks_at_running else None
    live = machine.host.live
    # What was captured would be the same in each further reading.
    found = list(lasting(readings if live else [last] * QUIET))
    if not live and not last.quiet:
        missing["what changes with each load"] = (
            "the tree was captured while a module was Loading or Unloading"
        )
    elif sum(each.quiet for each in readings) < QUIET and len(readings) == MOST:
        missing["what changes with each load"] = (
            f"modules were loaded or unloaded during {len(readings)} readings"
        )
    compared = [str(source) for source in _compared(last)]
    if index is None:
        missing["module files"] = "the index of modules cannot be read"
        names: tuple[str, ...] = ()
    else:
        names = (*index.names, *index.builtin_names)
        files, packages = _files(machine.host, index, last)
        found += files
        compared.append(f"module files ({len(last.table)})")
        if packages is None:
            missing["packages"] = "no package of this kernel was found"
        else:
            found += packages[1]
            compared.append(f"packages ({counted(packages[0], 'file')})")
        found += nowhere(last, names)
    findings = explained(found, dict(last.log), names)
    undetermined = any(source in last.missing for source in BASIC)
    return CrossCheck(findings, tuple(compared), missing, len(readings), undetermined)


def _compared(found: Evidence) -> Iterator[str]:
    for source in Source:
        if source not in found.missing:
            yield source


_Packages = tuple[int, list[Difference]]


def _files(
    host: Host, index: ModuleIndex, found: Evidence
) -> tuple[list[Difference], _Packages | None]:
    """Return where loaded modules differ from their files, and these from their packages."""
    differing = []
    paths = {}
    for name in sorted(found.table.live):
        path = index.path_of(name)
        if path is None:
            continue
        paths[path] = name
        if words := loaded_difference(host, index, name):
            sign = Sign(f"/sys/module/{name}", "has another srcversion or build ID")
            differing.append(Difference(Kind.FILE, name, words, (sign, Sign(path, "the file"))))
    packaged = read_packaged(host, index.release, tuple(paths))
    if not packaged:
        return differing, None
    changed = []
    for path, file in packaged.items():
        try:
            same = file.matches(host.read(path))
        except OSError:
            continue
        if not same:
            words = f"{clean(path)} is not the file of its package {file.package}."
            signs = (Sign(file.package, f"has the digest {file.digest}"), Sign(path, "differs"))
            changed.append(Difference(Kind.PACKAGE, paths[path], words, signs))
    return differing, (len(packaged), changed)

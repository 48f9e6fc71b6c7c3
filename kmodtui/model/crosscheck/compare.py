"""Finds differences in a reading, and those that stay the same in several readings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from kmodtui.model.crosscheck.evidence import Area, Evidence, Source, SysModule
from kmodtui.model.crosscheck.finding import Difference, Kind, Sign
from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.text import counted

OF_MODULES = "PFCOEK"
"""The taint flags that only modules set: then one of them has the flag, too."""

QUIET = 2
"""Readings without a load or an unload that have to agree on what has no identity."""


def differences(found: Evidence) -> tuple[Difference, ...]:
    """Return what differs between the places within one reading."""
    return (
        *_hidden(found),
        *_listed_only(found),
        *_users(found),
        *_refcounts(found),
        *_memory(found),
        *_functions(found),
        *_taint(found),
    )


def lasting(readings: Sequence[Evidence]) -> tuple[Difference, ...]:
    """Return the differences that are in all readings, and not by chance.

    A module that is loaded and unloaded again and again is in another place each time. What has
    an identity, such as the inode of its directory, has to keep it; everything else has to be
    in several readings during which nothing was loaded or unloaded.
    """
    if not readings:
        return ()
    every = [{(d.kind, d.subject): d for d in differences(each)} for each in readings]
    quiet = [each for each, reading in zip(every, readings, strict=True) if reading.quiet]
    kept = []
    for key, first in every[0].items():
        same = [each[key] for each in every if key in each]
        fixed = bool(first.identity) and len(same) == len(every)
        if fixed and {each.identity for each in same} == {first.identity}:
            kept.append(_agreed(same))
    settled = {(each.kind, each.subject) for each in kept}
    for key in quiet[0] if len(quiet) >= QUIET else ():
        if key not in settled and all(key in each for each in quiet):
            same = [each[key] for each in quiet]
            if len({each.identity for each in same}) == 1:
                kept.append(_agreed(same))
    return tuple(kept)


def _agreed(same: Sequence[Difference]) -> Difference:
    """Return a difference with the signs that all readings have."""
    last = same[-1]
    signs = tuple(
        sign
        for sign in last.signs
        if all(sign.source in {other.source for other in each.signs} for each in same)
    )
    return Difference(last.kind, last.subject, last.words, signs, last.identity)


# --- modules that only some places have -------------------------------------------------------


def _hidden(found: Evidence) -> Iterator[Difference]:
    """Yield modules that are loaded by other signs, but not in /proc/modules."""
    signs: dict[str, list[Sign]] = {}

    def add(name: str, source: str, says: str) -> None:
        if name not in found.listed:
            signs.setdefault(name, []).append(Sign(source, says))

    for name, directory in found.sysfs.items():
        add(name, f"{Source.SYSFS}/{name}", f"a loadable module, {directory.state}")
    for name in found.owners:
        add(name, Source.KALLSYMS, "has symbols")
    for name, directory in found.sysfs.items():
        for holder in directory.holders:
            add(holder, f"{Source.SYSFS}/{name}/holders", f"holds {name}")
    for module in found.table:
        for user in module.users:
            add(user, Source.PROC, f"uses {module.name}")
    for name, path in found.drivers.items():
        if name not in found.builtin:
            add(name, path, "is the module of this driver")
    for source, lines in found.hooks.items():
        for name, line in lines.items():
            add(name, source, line)
    for name, line in found.log.items():
        if name in signs:
            signs[name].append(Sign(Source.LOG, line))
    areas = (unlisted_areas(found) or ()) if signs else ()
    for name, own in signs.items():
        if areas:
            own.append(Sign(Source.VMALLOC, _area_words(areas)))
        if found.strange:
            words = f"{counted(len(found.strange), 'function')} without a name"
            own.append(Sign(Source.FTRACE_AVAILABLE, words))
        words = f"{name} is not in /proc/modules, but is loaded according to other places."
        own_directory = found.sysfs.get(name)
        identity = str(own_directory.inode) if own_directory and own_directory.inode else ""
        yield Difference(Kind.HIDDEN, name, words, tuple(own), identity)


def _listed_only(found: Evidence) -> Iterator[Difference]:
    """Yield modules that /proc/modules lists, but another place does not have."""
    for module in found.table:
        if module.state is not ModuleState.LIVE:
            continue
        name = module.name
        listed = Sign(Source.PROC, f"lists {name}, {module.state}")
        if found.sysfs and name not in found.sysfs:
            words = f"{name} is in /proc/modules, but not in /sys/module."
            yield Difference(
                Kind.NOT_IN_SYSFS, name, words, (listed, Sign(Source.SYSFS, "has no such module"))
            )
        if found.owners and found.data_symbols and name not in found.owners:
            words = f"{name} is in /proc/modules, but has no symbols in /proc/kallsyms."
            yield Difference(
                Kind.NO_SYMBOLS, name, words, (listed, Sign(Source.KALLSYMS, "has none of it"))
            )


def _users(found: Evidence) -> Iterator[Difference]:
    """Yield modules whose users in /proc/modules are not those in their directory holders."""
    for module, directory in _both(found):
        # Those that are not listed are reported as hidden.
        listed = set(module.users) & found.listed
        holders = set(directory.holders) & found.listed
        if listed == holders:
            continue
        only = sorted(listed ^ holders)
        words = (
            f"{module.name}: /proc/modules and its directory holders name different modules: "
            f"{', '.join(only)}."
        )
        signs = (
            Sign(Source.PROC, f"used by {', '.join(sorted(listed)) or 'no module'}"),
            Sign(f"{Source.SYSFS}/{module.name}/holders", ", ".join(sorted(holders)) or "is empty"),
        )
        yield Difference(Kind.HOLDERS, module.name, words, signs, "")


def _refcounts(found: Evidence) -> Iterator[Difference]:
    """Yield modules whose count is smaller than the number of their users."""
    for module, directory in _both(found):
        counts = [count for count in (module.refcount, directory.refcount) if count is not None]
        users = len(module.users)
        if counts and 0 <= max(counts) < users:
            words = f"{module.name} has fewer references than users."
            signs = (
                Sign(Source.PROC, f"{module.refcount} references, {counted(users, 'user')}"),
                Sign(f"{Source.SYSFS}/{module.name}/refcnt", str(directory.refcount)),
            )
            yield Difference(Kind.REFCOUNT, module.name, words, signs)


def _both(found: Evidence) -> Iterator[tuple[LoadedModule, SysModule]]:
    for module in found.table:
        directory = found.sysfs.get(module.name)
        if directory is not None and module.state is ModuleState.LIVE:
            yield module, directory


# --- memory and functions ---------------------------------------------------------------------


def unlisted_areas(found: Evidence) -> tuple[Area, ...] | None:
    """Return the memory areas of modules that belong to no listed module; None if unknown.

    They are compared by address. Where the kernel shows other numbers instead of addresses
    (`kernel.kptr_restrict` is 0, as on Debian), they are compared by size. Since Linux 6.4 a
    module has several areas, of which only one is known.
    """
    table, areas = found.table, found.areas
    if not table or not areas or len(areas) > len(table) * 3 // 2:
        return None
    bases = {module.address for module in table if module.address}
    if len(bases) == len(table) and bases <= {area.start for area in areas}:
        return tuple(area for area in areas if area.start not in bases)
    page = areas[0].page
    left = Counter(area.size for area in areas)
    left.subtract(-(-module.size // page) * page for module in table)
    if min(left.values()) < 0:
        return None
    return tuple(Area(0, size, page) for size in left.elements())


def _memory(found: Evidence) -> Iterator[Difference]:
    for area in unlisted_areas(found) or ():
        words = "Memory was allocated for a module that /proc/modules does not list."
        signs = (Sign(Source.VMALLOC, _area_words((area,))),)
        subject = f"{area.start:#x}" if area.start else f"{area.size} bytes"
        yield Difference(Kind.MEMORY, subject, words, signs)


def _area_words(areas: Sequence[Area]) -> str:
    """Say which areas belong to no listed module."""
    shown = ", ".join(
        f"{area.size:,} bytes" + (f" at {area.start:#x}" if area.start else "") for area in areas
    )
    return f"{counted(len(areas), 'area')} of no listed module: {shown}"


def _functions(found: Evidence) -> Iterator[Difference]:
    if found.strange:
        words = "ftrace has functions that belong to no module and not to the kernel."
        shown = ", ".join(found.strange[:3])
        sign = Sign(Source.FTRACE_AVAILABLE, f"{counted(len(found.strange), 'function')}: {shown}")
        yield Difference(Kind.FUNCTIONS, found.strange[0], words, (sign,))


# --- traces -----------------------------------------------------------------------------------


def _taint(found: Evidence) -> Iterator[Difference]:
    """Yield taint flags of modules that no listed module has, and no unloaded one explains."""
    if Source.TAINT in found.missing:
        return
    have = {flag for module in found.table for flag in module.taints}
    for flag in found.taint:
        if flag in OF_MODULES and flag not in have:
            words = f"The kernel has the taint flag {flag}, but no module in /proc/modules does."
            signs = (Sign(Source.TAINT, f"has {flag}"),)
            yield Difference(Kind.TAINT, flag, words, signs, identity=flag)


def explained(
    found: Iterable[Difference], log: dict[str, str], installed: Iterable[str]
) -> tuple[Difference, ...]:
    """Return the differences without the taints that a line of the log explains.

    Args:
        found: the differences.
        log: the lines about modules that taint the kernel, by module.
        installed: the modules that have a file.
    """
    known = set(installed)
    flags = {flag for name, line in log.items() if name in known for flag in flags_of(line)}
    return tuple(d for d in found if d.kind is not Kind.TAINT or d.subject not in flags)


_LINES = {
    "O": "loading out-of-tree module taints kernel",
    "E": "module verification failed: signature and/or required key missing",
    "P": "taints kernel",
    "C": "module is from the staging directory",
    "N": "loading test module taints kernel",
    "K": "tainting kernel with TAINT_LIVEPATCH",
}
_LINE = re.compile(rf"([A-Za-z0-9_]+): (?=.*(?:{'|'.join(map(re.escape, _LINES.values()))}))")


def flags_of(line: str) -> str:
    """Return the taint flags that a line of the log is about."""
    flags = "".join(flag for flag, words in _LINES.items() if words in line)
    return flags.replace("P", "") if "O" in flags or "N" in flags else flags


def tainting(lines: Iterable[str]) -> dict[str, str]:
    """Return the lines of the log in which the kernel says that a module taints it, by module."""
    found: dict[str, str] = {}
    for line in lines:
        if match := _LINE.match(line):
            found[match[1]] = f"{found[match[1]]}; {line}" if match[1] in found else line
    return found


def nowhere(found: Evidence, installed: Iterable[str]) -> Iterator[Difference]:
    """Yield the modules in the log that are neither loaded nor on the disk."""
    known = {*installed, *found.listed, *found.sysfs}
    for name, line in found.log.items():
        if name not in known:
            words = f"The kernel log names {name}, which is neither loaded nor installed."
            yield Difference(Kind.LOG, name, words, (Sign(Source.LOG, line),), identity=name)

"""Reads what the doctor examines. Reads many files: not for the event loop."""

from __future__ import annotations

import pwd
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import islice
from typing import TypeVar

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.build_config import find_build_config
from kmodtui.kernel.debugfs import (
    ROOT_FILES,
    STATISTICS,
    UNLOADED,
    RootFiles,
    read_statistics,
    read_unloaded_taints,
)
from kmodtui.kernel.dkms import read_dkms
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.configured import ConfiguredIndex
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import installed_releases
from kmodtui.kernel.index.release import EmptyIndex, index_or_empty
from kmodtui.kernel.index.state import index_problems
from kmodtui.kernel.kptr import read_hiding
from kmodtui.kernel.modprobe.config import read_modprobe_config, replaced_files
from kmodtui.kernel.module_file.compression import packing_of, unpacked_by_kernel
from kmodtui.kernel.proc_modules import has_module_support, read_modules
from kmodtui.kernel.protection import read_protection
from kmodtui.kernel.system import read_process, read_system
from kmodtui.kernel.tools import read_tool
from kmodtui.model.doctor.facts import DoctorFacts, TaintTrace, User
from kmodtui.model.modules import ModuleTable
from kmodtui.model.scope import Scope
from kmodtui.model.text import clean, decode
from kmodtui.privileged.elevation import detect
from kmodtui.services.exposure import why_no_namespaces
from kmodtui.services.machine import Machine
from kmodtui.services.taint import cause_of

_TRIED = 20  # modules, until the compression of one can be read
_Value = TypeVar("_Value")


async def root_files(
    machine: Machine, foreground: Callable[[], AbstractContextManager[None]]
) -> RootFiles:
    """Return the files that only root may read, as the helper sends them.

    Raises:
        KmodtuiError: there is no root session, or the helper is an older one.
    """
    channel = await machine.channel(foreground, Scope.READ)
    found = {}
    for path, operation in ROOT_FILES.items():
        result = await channel.read_file(operation)
        if result.ok:
            found[path] = result.data
    return found


def examine(host: Host, release: str, root: RootFiles | None = None) -> DoctorFacts:
    """Return what the report about a kernel release is made from.

    Args:
        host: the system.
        release: the kernel release.
        root: what root has read; None if only this process has.
    """
    system = read_system(host)
    # A tree without a /proc says nothing about a running kernel.
    running = system.release == release or (system.release is None and has_module_support(host))
    index = index_or_empty(host, release)
    config = read_modprobe_config(host, *index.folders)
    table = _loaded(host) if running else ModuleTable()
    root_only: set[str] = set()
    modprobe = _setting(host, "kernel/modprobe")
    return DoctorFacts(
        release=clean(release),
        running=running,
        has_modules=has_module_support(host),
        system=system,
        config=find_build_config(host, release, running=running),
        unpacks=unpacked_by_kernel(host) if running else None,
        packing=_packing(index),
        modprobe=modprobe,
        modprobe_exists=host.exists(modprobe) if modprobe else False,
        namespaces=_setting(host, "user/max_user_namespaces"),
        why_no_namespaces=why_no_namespaces(host),
        protection=read_protection(host),
        hiding=read_hiding(host),
        table=table,
        taints={flag: _trace(host, flag, table) for flag in system.taints} if running else {},
        unloaded=_for_root(UNLOADED, root_only, lambda: read_unloaded_taints(host, root)),
        statistics=_for_root(STATISTICS, root_only, lambda: read_statistics(host, root)),
        root_only=frozenset(root_only),
        index=clean(index.folder),
        index_error=_error(index),
        index_problems=index_problems(index, table.by_name),
        modules=len(index.names) if index.folder else 0,
        rule_problems=(*ConfiguredIndex(index, config).problems, *replaced_files(host)),
        rules=sum(bool(rule.file) and not _is_own(rule.file, index) for rule in config.rules),
        releases=tuple(map(clean, installed_releases(host))),
        dkms=read_dkms(host),
        tool=read_tool(host),
        user=None if host.badge else _user(host),
        badge=host.badge,
    )


def _loaded(host: Host) -> ModuleTable:
    try:
        return read_modules(host)
    except KmodtuiError:
        return ModuleTable()


def _setting(host: Host, name: str) -> str | None:
    """Return a value in /proc/sys; None if it cannot be read."""
    try:
        return clean(decode(host.read(f"/proc/sys/{name}", 4096)).strip())
    except OSError:
        return None


def _for_root(path: str, root_only: set[str], read: Callable[[], _Value | None]) -> _Value | None:
    """Return what `read` returns; None, and add the path to `root_only`, if only root may."""
    try:
        return read()
    except PermissionError:
        root_only.add(path)
        return None


def _trace(host: Host, flag: str, table: ModuleTable) -> TaintTrace:
    cause = cause_of(host, flag, table)
    return TaintTrace(tuple(map(clean, cause.modules)), clean(cause.line))


def _error(index: ModuleIndex) -> tuple[str, str]:
    if isinstance(index, EmptyIndex):
        return index.problem.message, index.problem.hint
    return "", ""


def _is_own(file: str, index: ModuleIndex) -> bool:
    """Return whether a rule is one that a module declares itself, in depmod's index."""
    return any(file.startswith(f"{folder}/") for folder in index.folders)


def _packing(index: ModuleIndex) -> str | None:
    """Return how the module files are compressed; None if no file can be read."""
    for name in islice(index.names if index.folder else (), _TRIED):
        path = index.path_of(name)
        try:
            return packing_of(index.host, path) if path else None
        except KmodtuiError:
            continue
    return None


def _user(host: Host) -> User:
    process = read_process(host)
    try:
        name = pwd.getpwuid(process.uid).pw_name
    except KeyError:
        name = f"user {process.uid}"
    way = detect()
    return User(clean(name), process, _reads_log(host), clean(way.sentence), way.available)


def _reads_log(host: Host) -> bool:
    try:
        host.kernel_log().close()
    except OSError:
        return False
    return True

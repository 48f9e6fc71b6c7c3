"""What the files of a plan's modules make a person want to know before a load."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

from kmodtui.errors import KmodtuiError
from kmodtui.kernel.host import Host
from kmodtui.kernel.in_root import real_path
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import has_kmod, loads_by_box, loads_by_kmodloader
from kmodtui.kernel.module_file.info import read_module_file
from kmodtui.model.modprobe_rules import OPENWRT_FILE
from kmodtui.model.modules import ModuleTable, canonical
from kmodtui.model.plan.plan import Action, Plan, Step
from kmodtui.model.plan.verb import Verb
from kmodtui.model.storage import Advice, Storage
from kmodtui.model.text import clean

_RELEASE = re.compile(r"/lib/modules/([^/]+)/")
_NUMBER = re.compile(r"(\d+)")


def file_notes(plan: Plan, index: ModuleIndex, table: ModuleTable) -> tuple[str, ...]:
    """Return sentences about files that are not what their names say. Reads these files."""
    steps = [step for step in plan.steps if step.action is Action.INSMOD and step.path]
    names = dict.fromkeys((*plan.targets, *(step.module for step in steps)))
    readlink = _links_of(index.host)
    return (
        *(sentence for name in names for sentence in _link(name, index, readlink)),
        *(sentence for step in steps for sentence in _other_name(step, index, table)),
        *(sentence for step in steps for sentence in _other_release(step, index, readlink)),
    )


def container_note(plan: Plan, advice: Advice) -> tuple[str, ...]:
    """Return that a container cannot do what a plan does, if the system is one."""
    acts = any(step.action in (Action.INSMOD, Action.RMMOD) for step in plan.steps)
    if plan.refused or plan.nothing_to_do:
        return ()
    if plan.verb in CHANGES_OF_RULES and advice.storage is Storage.HOST:
        return (
            "This is a container: what it has in /etc applies to modprobe in the container only. "
            "The kernel runs the modprobe of the host, which reads the host's files.",
        )
    if not acts:
        return ()
    if advice.storage is Storage.GVISOR:
        return ("This is gVisor, whose kernel has no modules: it will refuse.",)
    if advice.storage is not Storage.HOST:
        return ()
    return (
        "This is a container, which shares the kernel of its host: do it on the host. Here it "
        "works only if the container has CAP_SYS_MODULE.",
    )


def refused_without_modprobe_d(plan: Plan, host: Host, advice: Advice) -> Plan:
    """Return a change of modprobe.d as refused where the system's modprobe does not read it."""
    if plan.refused or plan.nothing_to_do or plan.verb not in CHANGES_OF_RULES:
        return plan
    list_of_boot = plan.verb is Verb.KEEP
    if loads_by_kmodloader(host):
        who, file = "OpenWrt", "a file in /etc/modules.d" if list_of_boot else OPENWRT_FILE
        remedy = f"Write the {'name' if list_of_boot else 'rule'} into {file}."
    elif advice.storage is Storage.PARTITIONS and not has_kmod(host):
        who = "Android"
        remedy = "The rules are part of the partition's image: modules.blocklist, modules.options."
        if list_of_boot:
            remedy = "The list is part of the partition's image: modules.load."
    elif (program := loads_by_box(host)) and plan.verb in (Verb.BLOCK, Verb.LOG_LOADS):
        refused = f"{program}'s modprobe has no install rules, so no such rule stops a load."
        remedy = "Install kmod, or blacklist the module, which stops loads by its aliases."
        return replace(plan, commands=(), refused=refused, remedy=remedy)
    else:
        return plan
    refused = f"{who}'s modprobe reads no rules in /etc/modprobe.d."
    if list_of_boot:
        refused = f"{who} does not read /etc/modules-load.d."
    return replace(plan, commands=(), refused=refused, remedy=remedy)


CHANGES_OF_RULES = (Verb.BLACKLIST, Verb.BLOCK, Verb.LOG_LOADS, Verb.KEEP, Verb.KEEP_OPTIONS)


def _links_of(host: Host) -> Callable[[str], str]:
    """Return the host's `readlink`, which reads each link once: most files share directories."""

    @cache
    def read(path: str) -> str | None:
        try:
            return host.readlink(path)
        except OSError:
            return None

    def readlink(path: str) -> str:
        if (target := read(path)) is None:
            raise OSError(errno.EINVAL, "Not a symbolic link", path)
        return target

    return readlink


def _link(name: str, index: ModuleIndex, readlink: Callable[[str], str]) -> Iterator[str]:
    """Yield where a module's file is, if that belongs to another release (weak-updates)."""
    path = index.path_of(name)
    try:
        real = real_path(path, readlink) if path else ""
    except OSError:
        return
    found = _RELEASE.search(real)
    if path is None or found is None or found[1] == index.release or real == path:
        return
    other = found[1]
    newer = _order(other) > _order(index.release)
    yield (
        f"{clean(path)} is a link to {clean(real)}, built for "
        f"{'the newer ' if newer else ''}kernel {clean(other)}. "
        + (
            "A module of a newer kernel usually does not load; the link may be wrong. "
            if newer
            else "It is reused if its symbol checksums agree with this kernel's (kABI). "
        )
        + f"To compare them: kmodtui check {clean(name)}"
    )


def _order(release: str) -> list[tuple[int, str]]:
    """Return a key that sorts releases by their numbers."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in _NUMBER.split(release)]


def _other_release(step: Step, index: ModuleIndex, readlink: Callable[[str], str]) -> Iterator[str]:
    """Yield that a file was built for another kernel than that of its directory."""
    try:
        release = read_module_file(index.host, step.path).vermagic.partition(" ")[0]
        real = _RELEASE.search(real_path(step.path, readlink))
    except (KmodtuiError, OSError):
        return
    linked = real is not None and real[1] != index.release  # which is reported as a link
    if release in ("", index.release) or linked or index.advice.storage is Storage.PARTITIONS:
        return
    yield (
        f"{clean(step.path)} was built for kernel {clean(release)}. Whether this kernel accepts "
        f"it: kmodtui check {clean(step.module)}"
    )


def _other_name(step: Step, index: ModuleIndex, table: ModuleTable) -> Iterator[str]:
    """Yield the name that the kernel will show, if it is not that of the file."""
    try:
        info = read_module_file(index.host, step.path)
    except KmodtuiError:
        return
    name = canonical(info.text("name")) if info.text("name") else ""
    if name in ("", step.module):
        return
    loaded = " It is already loaded, so the kernel will not load it again."
    yield (
        f"The file of {step.module} contains the module {name}: the kernel, lsmod and rmmod know "
        f"it by that name, and modprobe only as {step.module}."
        f"{loaded if name in table.by_name else ''}"
    )


def refused_without_index(plan: Plan, index: ModuleIndex) -> Plan:
    """Return a load as refused where modprobe finds no module, because there is no index."""
    if not index.scanned or plan.refused or not has_kmod(index.host):
        return plan
    if not any(step.action is Action.INSMOD for step in plan.steps):
        return plan
    return replace(
        plan,
        commands=(),
        refused=f"modprobe finds no module without {clean(index.folder)}/modules.dep, the index.",
        remedy=index.advice.rebuild,
    )

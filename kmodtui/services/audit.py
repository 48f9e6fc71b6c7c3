"""Audits an observed system: the state of each module of a policy under each kernel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

from kmodtui.errors import KmodtuiError, UnreadableError, UsageError
from kmodtui.kernel.build_config import has_no_modules
from kmodtui.kernel.host import Host
from kmodtui.kernel.index.modules import ModuleIndex
from kmodtui.kernel.index.places import all_releases
from kmodtui.kernel.index.presence import Presences
from kmodtui.kernel.index.release import EmptyIndex, read_index
from kmodtui.kernel.index.state import index_problems
from kmodtui.kernel.modprobe.command_line import skipped_initcalls
from kmodtui.kernel.modprobe.config import ModprobeConfig, read_modprobe_config, replaced_files
from kmodtui.kernel.modprobe.program import other_program
from kmodtui.kernel.proc_modules import read_modules
from kmodtui.kernel.system import read_system
from kmodtui.model.audit.policy import ModuleRequirement, Policy
from kmodtui.model.audit.report import AuditedKernel, Finding, Report, judged
from kmodtui.model.audit.state import StateFacts, mentioned_elsewhere, module_state
from kmodtui.model.block.way import Barrier, Way, WayKind
from kmodtui.model.block.ways import ways_in
from kmodtui.model.modprobe_rules import RuleKind
from kmodtui.model.storage import Storage
from kmodtui.model.text import clean
from kmodtui.services.audit_switches import judged_switches
from kmodtui.services.blocking import block_facts

Names: TypeAlias = Sequence[str]

ALL = "all"
"""The release that stands for every installed one."""


def audit(host: Host, policy: Policy, release: str = "") -> Report:
    """Return what was found. Reads files.

    Args:
        host: the system.
        policy: what is wanted.
        release: a kernel release, or `ALL`; empty for the running one, and for all if that is
            unknown.

    Raises:
        UsageError: there is no such kernel.
    """
    running = read_system(host).release or ""
    installed = all_releases(host)
    kernels = _kernels(installed, running, release)
    loaded = _loaded(host)
    findings: list[Finding] = []
    notes: list[str] = []
    if policy.modules:
        for kernel in kernels:
            under = _Kernel(host, kernel, loaded, [each.name for each in policy.modules])
            findings += map(under.finding, policy.modules)
            notes += under.notes
        others = len(set(installed) - {kernel.release for kernel in kernels})
        if others and not release:
            kind = "other kernel is" if others == 1 else "other kernels are"
            notes.append(f"{others} {kind} installed; --kernel all audits every kernel.")
    findings += judged_switches(host, policy.switches, running)
    return Report(policy, kernels, tuple(findings), tuple(dict.fromkeys(notes)))


def _kernels(installed: Sequence[str], running: str, release: str) -> tuple[AuditedKernel, ...]:
    names = [release] if release not in ("", ALL) else [running] if running else list(installed)
    if release == ALL:
        names = sorted({*installed, *([running] if running else [])})
    if unknown := [name for name in names if name not in (*installed, running)]:
        raise UsageError(
            f"Kernel {clean(unknown[0])} is not installed.",
            f"Installed: {clean(', '.join(installed))}." if installed else "",
        )
    if not names:
        raise UsageError("No kernel is installed here, and none is running.")
    return tuple(AuditedKernel(name, name == running) for name in names)


def _loaded(host: Host) -> frozenset[str] | None:
    """Return the names of the loaded modules; None if they are unknown."""
    try:
        table = read_modules(host)
    except KmodtuiError:
        return None
    return None if table.malformed else frozenset(table.by_name)


class _Kernel:
    """One kernel of the system: its modules, and the rules for them."""

    def __init__(
        self, host: Host, kernel: AuditedKernel, loaded: frozenset[str] | None, names: Names
    ) -> None:
        self.notes: list[str] = []
        self._kernel = kernel
        self._loaded = loaded if kernel.running else frozenset[str]()
        self._problem = ""
        self._ways: dict[str, tuple[Way, ...]] = {}
        try:
            index = read_index(host, kernel.release)
            index.is_builtin("")
            index.path_of("")
        except KmodtuiError as error:
            index = ModuleIndex(host, kernel.release, "")
            self._problem = clean(error.message)
        if kernel.running and has_no_modules(host, kernel.release):
            none = UnreadableError("The kernel was built without loadable modules.")
            index = EmptyIndex(host, kernel.release, none)
            self._problem, self._loaded = "", frozenset()
        elif index.advice.storage is Storage.GVISOR:
            self._problem = "this is gVisor, whose kernel has no modules"
        elif index.advice.storage is Storage.HOST:
            self._problem = "this is a container: the modules and rules of its host decide"
        self._index = index
        self._list = clean(index.folder)
        if index.folder and not index.scanned:
            self._list += "/modules.dep"
        self._presences = Presences(index)
        self._config = _config(host, index.folder, running=kernel.running)
        # A softdep that a module declares in vain is not a mistake of this system.
        own = tuple(f"{folder}/" for folder in index.folders if folder)
        self._ignored = (
            *(each for each in self._config.problems if not each.source.startswith(own)),
            *replaced_files(host),
        )
        self._skipped = skipped_initcalls(_command_line(host) if kernel.running else "")
        self._doubt = other_program(host, index.advice.storage)
        if self._config.unreadable:
            self._doubt = f"{self._config.unreadable[0]} cannot be read and can have rules for it"
        if not self._problem:
            where = f"{clean(kernel.release)}: "
            self.notes += [f"{where}{problem}" for problem in index_problems(index)]
            self._ways = self._find_ways([name for name in names if self._presences.of(name).path])

    def finding(self, requirement: ModuleRequirement) -> Finding:
        """Return what was found about a module."""
        name = requirement.name
        ignored = tuple(problem for problem in self._ignored if name in problem.modules)
        return judged(requirement, self._kernel, module_state(self._facts(requirement)), ignored)

    def _facts(self, requirement: ModuleRequirement) -> StateFacts:
        name = requirement.name
        loaded = None if self._loaded is None else name in self._loaded
        if self._problem:
            return StateFacts(name, loaded=loaded, problem=self._problem)
        presence = self._presences.of(name)
        return StateFacts(
            name,
            path=presence.path,
            indexed=presence.indexed,
            index=self._list,
            builtin=presence.builtin,
            builtins_known=self._presences.builtins_known,
            skipped=bool(requirement.initcalls) and self._skipped.issuperset(requirement.initcalls),
            loaded=loaded,
            ways=self._ways.get(name, ()),
            blacklist=self._config.blacklisted(name),
            refused=name in self._config.blocked,
            other_names=() if presence.path else tuple(map(clean, self._index.resolve(name))),
            doubt=self._doubt,
        )

    def _find_ways(self, names: Names) -> dict[str, tuple[Way, ...]]:
        """Return the ways by which modules can be loaded."""
        loaded = self._loaded or frozenset()
        # modprobe does not run the install rules of modules that are loaded already.
        now = self._config.without(lambda r: r.kind is RuleKind.INSTALL and r.name in loaded)
        found = {}
        for config, chosen in (
            (now, [name for name in names if name not in loaded]),
            (self._config, [name for name in names if name in loaded]),
        ):
            for name, facts in block_facts(self._index, config, chosen, ()).items():
                found[name] = ways_in(name, facts)
                if rule := mentioned_elsewhere(name, config.rules):
                    reason = f"an install rule runs {clean(rule.value.strip())}"
                    other = (clean(rule.name),)
                    kind, barrier = WayKind.DEPENDENCY, Barrier.UNKNOWN
                    found[name] += (Way(name, kind, barrier, reason, other, rule.source),)
        return found


def _config(host: Host, folder: str, *, running: bool) -> ModprobeConfig:
    """Return the rules for a kernel; /proc/cmdline is that of the running one only."""
    config = read_modprobe_config(host, folder)
    if running:
        return config
    rules = (rule for rule in config.rules if rule.file)
    return ModprobeConfig(rules, config.problems, (), config.unreadable)


def _command_line(host: Host) -> str:
    try:
        return os.fsdecode(host.read("/proc/cmdline"))
    except OSError:
        return ""

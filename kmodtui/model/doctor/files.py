"""The files that loading needs: depmod's index, the rules of modprobe.d, modprobe itself."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.doctor.facts import DoctorFacts, Tool
from kmodtui.model.doctor.finding import Finding, Level
from kmodtui.model.text import counted

_BUSYBOX = (
    "BusyBox's modprobe understands only part of modprobe.d and has other options. kmodtui's "
    "helper does not use it, so kmodtui cannot load modules here."
)


def index_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield missing and outdated files of depmod's index."""
    key, subject = "index", "Index of modules"
    message, hint = facts.index_error
    if message:
        evidence = (facts.index or f"/lib/modules/{facts.release}",)
        yield Finding(key, subject, Level.OFF, message, evidence, hint)
        return
    for problem in facts.index_problems:
        # The text ends in what to do on this kind of system.
        yield Finding(key, subject, Level.LIMITED, problem.text, (problem.source,))
    if not facts.index_problems:
        words = counted(facts.modules, "module")
        reason = f"depmod's index is complete and up to date; it lists {words}."
        yield Finding(key, subject, Level.OK, reason, (f"{facts.index}/modules.dep",))


def rule_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield the rules of modprobe.d that do not do what their author meant."""
    key, subject = "modprobe.d", "Rules of modprobe.d"
    for problem in facts.rule_problems:
        module = problem.modules[0] if len(problem.modules) == 1 else ""
        remedy = "Correct or remove it; kmodtui rules shows all rules."
        yield Finding(key, subject, Level.LIMITED, problem.text, (problem.source,), remedy, module)
    if not facts.rule_problems:
        reason = f"{counted(facts.rules, 'rule')}, none of them malformed or without effect."
        if not facts.rules:
            reason = "There are no rules, so modprobe loads what it is asked for."
        yield Finding(key, subject, Level.OK, reason, ("/etc/modprobe.d", "/usr/lib/modprobe.d"))


def tool_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield which modprobe is installed, and whether it can read the module files."""
    key, subject = "modprobe", "modprobe"
    tool = facts.tool
    if tool is None:
        level = Level.UNKNOWN if facts.badge else Level.OFF
        reason = "There is no modprobe, the program that loads modules with their dependencies."
        if facts.badge:
            reason = "modprobe is not part of this tree."
        remedy = "" if facts.badge else "Install kmod."
        yield Finding(key, subject, level, reason, ("/sbin/modprobe",), remedy)
        return
    evidence = (tool.path if tool.program == tool.path else f"{tool.path}: {tool.program}",)
    match tool.kind:
        case "kmod":
            words = f" It was built with {' '.join(tool.features)}." if tool.features else ""
            reason = f"kmod {tool.version} loads modules.{words}"
            yield Finding(key, subject, Level.OK, reason, evidence)
        case "BusyBox":
            yield Finding(key, subject, Level.LIMITED, _BUSYBOX, evidence, "Install kmod.")
        case _:
            reason = "It is neither kmod's nor BusyBox's, so what it can do is unknown."
            yield Finding(key, subject, Level.UNKNOWN, reason, evidence, "Install kmod.")
    yield from _unpacking(tool, facts, evidence)


_FEATURES = {"gzip": "ZLIB", "xz": "XZ", "zstd": "ZSTD"}


def _unpacking(tool: Tool, facts: DoctorFacts, evidence: tuple[str, ...]) -> Iterator[Finding]:
    """Yield who decompresses the module files of this release."""
    key, subject, packing = "decompression", "Decompression", facts.packing
    if packing is None:
        return
    if not packing:
        reason = "The module files are not compressed, so nothing has to decompress them."
        yield Finding(key, subject, Level.OK, reason, (f"{facts.index}/modules.dep",))
    elif facts.unpacks == packing:
        reason = f"The module files are compressed with {packing}, which the kernel decompresses."
        yield Finding(key, subject, Level.OK, reason, ("/sys/module/compression",))
    elif f"+{_FEATURES[packing]}" in tool.features:
        reason = f"The module files are compressed with {packing}, which kmod decompresses."
        yield Finding(key, subject, Level.OK, reason, evidence)
    elif f"-{_FEATURES[packing]}" in tool.features:
        reason = (
            f"The module files are compressed with {packing}, which neither kmod nor the kernel "
            "can decompress: no module can be loaded."
        )
        yield Finding(key, subject, Level.OFF, reason, evidence, f"Install a kmod with {packing}.")
    else:
        reason = f"The module files are compressed with {packing}."
        yield Finding(key, subject, Level.UNKNOWN, reason, evidence)

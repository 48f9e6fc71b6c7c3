"""Loads that failed since boot, as the kernel has counted them."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.about.page import some
from kmodtui.model.doctor.facts import DoctorFacts
from kmodtui.model.doctor.finding import Finding, Level
from kmodtui.model.text import counted

STATISTICS = "/sys/kernel/debug/modules/stats"
_STEPS = {
    "kread": "while the file was read",
    "decompress": "while the kernel decompressed the file",
    "becoming": "when the kernel checked the file, or the module was there already",
    "load": "after memory was allocated: unresolved symbols, parameters or the init function",
}
"""The steps of a load, by the word in the statistics."""


def load_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield the loads that failed, and those of modules that were there already."""
    key, subject = "failed_loads", "Failed loads"
    found = facts.statistics
    if found is None:
        yield _without(key, f"{subject} and duplicate loads", facts)
        return
    failed = {step: number for step, number in found.failed.items() if number}
    if not failed:
        reason = "No load has failed in the kernel since boot."
        yield Finding(key, subject, Level.OK, reason, (STATISTICS,))
    else:
        steps = (f"{number:,} {_STEPS.get(step, step)}" for step, number in failed.items())
        reason = f"{counted(sum(failed.values()), 'load')} failed since boot: {'; '.join(steps)}."
        remedy = "Search the kernel log for the reasons."
        yield Finding(key, subject, Level.LIMITED, reason, (STATISTICS,), remedy)
    key, subject = "duplicate_loads", "Duplicate loads"
    if not found.duplicates:
        reason = "No load was attempted of a module that was already loaded or loading."
        yield Finding(key, subject, Level.OK, reason, (STATISTICS,))
        return
    names = some(f"{each.name} ({each.times:,}×)" for each in found.duplicates)
    reason = (
        f"Loads of modules that were already loaded or loading: {names}. The kernel refuses "
        "these, which is harmless, but they cost memory and time at boot."
    )
    yield Finding(key, subject, Level.LIMITED, reason, (STATISTICS,))


def _without(key: str, subject: str, facts: DoctorFacts) -> Finding:
    if facts.config is not None and "MODULE_STATS" not in facts.config.options:
        reason = "This kernel does not count them."
        evidence = (f"{facts.config.file}: CONFIG_MODULE_STATS is not set",)
        remedy = "Use a kernel built with CONFIG_MODULE_STATS (Linux 6.4 and later)."
        return Finding(key, subject, Level.OFF, reason, evidence, remedy)
    if STATISTICS in facts.root_only:
        reason = "Only root may read whether loads have failed."
        remedy = "Run kmodtui doctor --as-root."
        return Finding(key, subject, Level.UNKNOWN, reason, (STATISTICS,), remedy)
    reason = "The statistics cannot be read: debugfs is not mounted, or the kernel has none."
    return Finding(key, subject, Level.UNKNOWN, reason, (STATISTICS,))

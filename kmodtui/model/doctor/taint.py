"""What has tainted the kernel: each flag with its modules, also those unloaded since."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.about.page import some
from kmodtui.model.doctor.facts import DoctorFacts, TaintTrace
from kmodtui.model.doctor.finding import Finding, Level
from kmodtui.model.modules import taint_words

_TAINTED = "/proc/sys/kernel/tainted"
_UNLOADED = "/sys/kernel/debug/modules/unloaded_tainted"
_SET_BY_MODULES = frozenset("PFRCOEKXN")
"""Flags that a module sets when it is loaded or, R, unloaded."""

_MEANING = {
    "P": "Kernel developers do not look into bugs of a kernel with proprietary modules.",
    "F": "A module was loaded although it was built for another kernel.",
    "R": "A module was unloaded while it was in use: anything can happen afterwards.",
    "D": "Part of the kernel has crashed: reboot before you trust what you see.",
    "C": "A staging driver is of unknown quality.",
    "O": "A module that is not part of the kernel's source was loaded.",
    "E": "A module without a valid signature was loaded.",
    "K": "A live patch has changed the kernel.",
    "W": "The kernel has printed a warning with a stack trace.",
}
"""What flags mean in practice; the others are explained by their names."""


def taint_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield each taint flag that is set, or that none is."""
    mask = facts.system.tainted
    if mask is None:
        reason = "This system does not show it."
        yield Finding("tainted", "Taint", Level.UNKNOWN, reason, (_TAINTED,))
    elif not mask:
        reason = "The kernel is not tainted: kernel developers accept bug reports about it."
        yield Finding("tainted", "Taint", Level.OK, reason, (f"{_TAINTED}: 0",))
    for flag in facts.system.taints:
        yield _flag(flag, facts)


def _flag(flag: str, facts: DoctorFacts) -> Finding:
    trace = facts.taints.get(flag, TaintTrace())
    gone = [each.name for each in facts.unloaded or () if flag in each.flags]
    sentences = [_MEANING.get(flag, "")]
    evidence = [f"{_TAINTED}: {facts.system.tainted}"]
    if trace.modules:
        sentences.append(f"Set by: {some(trace.modules)}.")
        evidence.append("/proc/modules")
    if gone:
        sentences.append(f"Unloaded since: {some(gone)}.")
        evidence.append(_UNLOADED)
    if not trace.modules and not gone and flag in _SET_BY_MODULES:
        sentences.append(_nobody(facts))
    if trace.line:
        sentences.append(f"The kernel logged: {trace.line}")
        evidence.append("kernel log")
    words = taint_words(flag)[0]
    return Finding(
        f"taint {flag}",
        f"Taint {flag}: {words}",
        Level.LIMITED,
        " ".join(filter(None, sentences)),
        tuple(evidence),
        _remedy(flag, (*trace.modules, *gone)),
        trace.modules[0] if trace.modules else "",
    )


def _nobody(facts: DoctorFacts) -> str:
    said = "No loaded module has this flag, so the one that set it has been unloaded"
    if _UNLOADED in facts.root_only:
        return f"{said}; only root can see which one it was."
    if facts.unloaded is None:
        return f"{said}; this kernel does not remember which one it was."
    return f"{said} or failed to load."


def _remedy(flag: str, modules: tuple[str, ...]) -> str:
    if flag in _SET_BY_MODULES and modules:
        return f"Reboot without {some(modules)}: the flag stays until the next boot."
    return "Reboot: the flag stays until then."

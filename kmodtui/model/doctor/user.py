"""What the current user may see and do with modules."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.doctor.facts import DoctorFacts, User
from kmodtui.model.doctor.finding import Finding, Level

_STATUS = "/proc/self/status"


def user_findings(facts: DoctorFacts) -> Iterator[Finding]:
    """Yield what the user may do; for a captured tree, that nothing can be changed in it."""
    user = facts.user
    if user is None:
        level, evidence = Level.OFF, [facts.badge]
        reason = "These are the files of another system: kmodtui reads them and changes nothing."
        if facts.badge == "DEMO":
            level, evidence = Level.OK, []
            reason = "The demo loads and unloads modules in a simulated kernel."
        yield Finding("load", "Loading and unloading", level, reason, tuple(evidence))
        return
    if facts.has_modules:
        yield _loading(user)
    yield _addresses(facts)
    yield _log(user)


def _loading(user: User) -> Finding:
    key, subject, process = "load", "Loading and unloading", user.process
    if process.initial_user_namespace is False:
        reason = (
            "kmodtui runs in a user namespace, as in a container: not even its root may load "
            "modules."
        )
        remedy = "Run kmodtui on the host."
        return Finding(key, subject, Level.OFF, reason, ("/proc/self/uid_map",), remedy)
    if process.may_load:
        reason = f"{user.name} may load and unload modules (CAP_SYS_MODULE)."
        return Finding(key, subject, Level.OK, reason, (f"{_STATUS}: CapEff",))
    evidence = (f"{_STATUS}: CapEff",)
    if process.uid == 0:
        reason = "root has no CAP_SYS_MODULE here, as in a container."
        return Finding(key, subject, Level.OFF, reason, evidence, "Run kmodtui on the host.")
    if user.can_become_root:
        reason = f"{user.name} may not load modules, but can become root. {user.way_to_root}"
        return Finding(key, subject, Level.LIMITED, reason, evidence)
    reason = f"{user.name} may not load modules. {user.way_to_root}"
    return Finding(key, subject, Level.OFF, reason, evidence, "Log in as root, or install sudo.")


def _addresses(facts: DoctorFacts) -> Finding:
    key, subject = "addresses", "Symbol addresses"
    hidden = facts.system.addresses_hidden_by
    hiding = facts.hiding
    if (facts.system.kptr_restrict or 0) >= 2 or (hidden and not hiding.syslog):
        level = Level.LIMITED if (facts.system.kptr_restrict or 0) < 2 else Level.OFF
        reason = f"Addresses are {hiding.reason}. Symbols are compared by name instead."
        remedy = "In the dashboard, A reads them as root." if level is Level.LIMITED else ""
        return Finding(key, subject, level, reason, ("/proc/kallsyms",), remedy)
    reason = "This process sees the addresses of symbols."
    return Finding(key, subject, Level.OK, reason, ("/proc/kallsyms",))


def _log(user: User) -> Finding:
    key, subject = "kernel_log", "Kernel log"
    if user.reads_log:
        reason = f"{user.name} may read the kernel log."
        return Finding(key, subject, Level.OK, reason, ("/dev/kmsg",))
    reason = f"{user.name} may not read the kernel log, which says why a load failed."
    remedy = "In the dashboard, L reads it as root."
    return Finding(key, subject, Level.LIMITED, reason, ("/dev/kmsg",), remedy)

"""The system switches of a policy, as the running system has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, assert_never

from kmodtui.kernel.build_config import has_no_modules, read_build_config
from kmodtui.kernel.host import Host
from kmodtui.kernel.system import read_system
from kmodtui.model.audit.policy import Switch, SwitchRequirement
from kmodtui.model.audit.report import Finding, Outcome
from kmodtui.model.text import clean, decode

_DISABLED = "/proc/sys/kernel/modules_disabled"
_MODPROBE = "/proc/sys/kernel/modprobe"
_ENFORCED = "/sys/module/module/parameters/sig_enforce"
_LOCKDOWN = "/sys/kernel/security/lockdown"


class _Value(NamedTuple):
    """The value of a switch; None if it is unknown."""

    value: bool | str | None
    detail: str
    source: str = ""


def judged_switches(
    host: Host, requirements: Iterable[SwitchRequirement], release: str
) -> list[Finding]:
    """Return what was found about switches. Reads files.

    Args:
        host: the system.
        requirements: of a policy.
        release: of the running kernel; empty if none is known.
    """
    return [_judged(each, _read(host, each.name, release)) for each in requirements]


def _judged(requirement: SwitchRequirement, found: _Value) -> Finding:
    wanted, value = requirement.wanted, found.value
    outcome, actual = Outcome.UNDETERMINED, ""
    if value is not None:
        fulfilled = value in wanted if isinstance(wanted, tuple) else value == wanted
        outcome = Outcome.COMPLIANT if fulfilled else Outcome.NOT_COMPLIANT
        actual = value or "empty" if isinstance(value, str) else "yes" if value else "no"
    return Finding(requirement, None, outcome, clean(actual), found.detail, found.source)


def _read(host: Host, switch: Switch, release: str) -> _Value:
    match switch:
        case Switch.MODULES_DISABLED:
            return _without_modules(host, release) or _modules_disabled(host)
        case Switch.SIGNATURES_ENFORCED:
            return _without_modules(host, release) or _signatures(host, release)
        case Switch.MODPROBE:
            return _modprobe(host)
        case _:
            assert_never(switch)


def _without_modules(host: Host, release: str) -> _Value | None:
    if not has_no_modules(host, release):
        return None
    return _Value(True, "the kernel was built without loadable modules")


def _modules_disabled(host: Host) -> _Value:
    value = read_system(host).modules_disabled
    if value is None:
        return _Value(None, f"{_DISABLED} cannot be read")
    detail = "no module can be loaded until reboot" if value else "modules can be loaded"
    return _Value(value != 0, detail, _DISABLED)


def _signatures(host: Host, release: str) -> _Value:
    facts = read_system(host)
    if facts.sig_enforce:
        return _Value(True, "module.sig_enforce is set", _ENFORCED)
    if facts.lockdown in ("integrity", "confidentiality"):
        return _Value(True, f"lockdown is {facts.lockdown}", _LOCKDOWN)
    if facts.sig_enforce is False:
        return _Value(False, "the kernel loads unsigned modules", _ENFORCED)
    options = read_build_config(host, release) if release else None
    if options is not None and "MODULE_SIG" not in options:
        return _Value(False, "the kernel was built without CONFIG_MODULE_SIG")
    return _Value(None, f"{_ENFORCED} cannot be read")


def _modprobe(host: Host) -> _Value:
    try:
        path = decode(host.read(_MODPROBE)).removesuffix("\n")
    except OSError:
        return _Value(None, f"{_MODPROBE} cannot be read")
    detail = "the kernel runs it to load modules" if path else "the kernel loads none by itself"
    return _Value(path, detail, _MODPROBE)

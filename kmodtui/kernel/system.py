"""Reader of facts about the whole system, and about this process."""

from __future__ import annotations

import os
import re

from kmodtui.kernel.host import Host, LocalHost
from kmodtui.model.system import ProcessFacts, SystemFacts, is_initial_id_map
from kmodtui.model.text import clean, decode

_SYSCTL = "/proc/sys/kernel"
_STATUS = "/proc/self/status"
_LOCKDOWN = "/sys/kernel/security/lockdown"
_SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"


def read_system(host: Host) -> SystemFacts:
    """Return the identity and the settings of a system; None for what it does not show."""
    version = _text(host, "/proc/version")
    return SystemFacts(
        hostname=_text(host, f"{_SYSCTL}/hostname"),
        release=_text(host, f"{_SYSCTL}/osrelease") or _release_in(version),
        machine=_text(host, f"{_SYSCTL}/arch") or _own_machine(host),
        version=version,
        cmdline=_text(host, "/proc/cmdline"),
        tainted=read_tainted(host),
        lockdown=_chosen(_text(host, _LOCKDOWN)),
        kptr_restrict=_number(host, f"{_SYSCTL}/kptr_restrict"),
        perf_event_paranoid=_number(host, f"{_SYSCTL}/perf_event_paranoid"),
        dmesg_restrict=_number(host, f"{_SYSCTL}/dmesg_restrict"),
        modules_disabled=_number(host, f"{_SYSCTL}/modules_disabled"),
        sig_enforce={"Y": True, "N": False}.get(_text(host, _SIG_ENFORCE) or ""),
    )


def read_tainted(host: Host) -> int | None:
    """Return the taint bits of the kernel; None if it does not show them."""
    return _number(host, f"{_SYSCTL}/tainted")


def read_process(host: Host | None = None) -> ProcessFacts:
    """Return the privileges of this process, which need not run on the observed system.

    Args:
        host: the system that this process runs on; None for this machine.
    """
    host = host or LocalHost()
    status = _text(host, _STATUS, one_line=False) or ""
    effective = re.search(r"^CapEff:\s*([0-9a-fA-F]+)$", status, re.MULTILINE)
    id_map = _text(host, "/proc/self/uid_map")
    return ProcessFacts(
        uid=os.geteuid(),
        capabilities=int(effective[1], 16) if effective else None,
        initial_user_namespace=None if id_map is None else is_initial_id_map(id_map),
    )


def _text(host: Host, path: str, *, one_line: bool = True) -> str | None:
    try:
        text = decode(host.read(path)).strip()
    except OSError:
        return None
    return clean(text) if one_line else text


def _number(host: Host, path: str) -> int | None:
    try:
        return int(host.read(path))
    except (OSError, ValueError):
        return None


def _chosen(choices: str | None) -> str | None:
    """Return the bracketed word of `none [integrity] confidentiality`."""
    if choices is None:
        return None
    return next((word[1:-1] for word in choices.split() if word.startswith("[")), None)


def _release_in(version: str | None) -> str | None:
    """Return the release in `Linux version 6.1.0-56-amd64 (…) …`."""
    words = (version or "").split()
    return words[2] if words[:2] == ["Linux", "version"] and len(words) > 2 else None


def _own_machine(host: Host) -> str | None:
    """Return this machine's architecture: before Linux 6.1, only uname(2) has it."""
    return os.uname().machine if not host.badge else None

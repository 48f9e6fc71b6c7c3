"""Facts about the observed system and about this process: names, switches, privileges."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.model.modules import taint_flags

CAP_SYS_MODULE = 16
"""Number of the capability that is required to load and unload modules."""
CAP_SYSLOG = 34
"""Number of the capability that gives access to kernel addresses and the kernel log."""

_ALL_IDS = (0, 0, 4294967295)


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """The names of a system, and the kernel settings that concern modules.

    A value is None if the system does not show it.

    Attributes:
        hostname: host name of the machine.
        release: kernel release, as printed by `uname -r`.
        machine: architecture, as printed by `uname -m`.
        version: contents of /proc/version.
        cmdline: kernel command line.
        tainted: the taint mask, from /proc/sys/kernel/tainted.
        lockdown: `none`, `integrity` or `confidentiality`.
        kptr_restrict: 0 shows addresses, 1 only with CAP_SYSLOG, 2 never.
        perf_event_paranoid: above 1, addresses are hidden even if kptr_restrict is 0.
        dmesg_restrict: 1 if reading the kernel log requires CAP_SYSLOG.
        modules_disabled: 1 if no module can be loaded or unloaded until the next boot.
        sig_enforce: whether unsigned modules are refused.
    """

    hostname: str | None = None
    release: str | None = None
    machine: str | None = None
    version: str | None = None
    cmdline: str | None = None
    tainted: int | None = None
    lockdown: str | None = None
    kptr_restrict: int | None = None
    perf_event_paranoid: int | None = None
    dmesg_restrict: int | None = None
    modules_disabled: int | None = None
    sig_enforce: bool | None = None

    @property
    def taints(self) -> str:
        """Taint flags of the kernel; empty if it is not tainted or that is unknown."""
        return taint_flags(self.tainted or 0)

    @property
    def addresses_hidden_by(self) -> tuple[str, ...]:
        """The settings, as `name=value`, that hide addresses from processes without CAP_SYSLOG.

        Empty if all processes see them. `kptr_restrict=2` hides them even with CAP_SYSLOG.
        """
        if self.kptr_restrict:
            return (f"kptr_restrict={self.kptr_restrict}",)
        if self.perf_event_paranoid is not None and self.perf_event_paranoid > 1:
            return (f"perf_event_paranoid={self.perf_event_paranoid}",)
        return ()


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The privileges of this process.

    Attributes:
        uid: effective user id.
        capabilities: the effective set as a mask; None if unknown.
        initial_user_namespace: False in a container that maps user ids, where not even
            root may load modules; None if unknown.
    """

    uid: int
    capabilities: int | None = None
    initial_user_namespace: bool | None = None

    def has(self, capability: int) -> bool:
        """Return whether it has a capability, in the initial user namespace."""
        return (
            self.capabilities is not None
            and bool(self.capabilities >> capability & 1)
            and self.initial_user_namespace is not False
        )

    @property
    def may_load(self) -> bool:
        """Whether this process may load and unload modules without a helper."""
        return self.has(CAP_SYS_MODULE)


def is_initial_id_map(text: str) -> bool:
    """Return whether a text from /proc/self/uid_map maps every id to itself."""
    words = text.split()
    return all(word.isdigit() for word in words) and tuple(map(int, words)) == _ALL_IDS

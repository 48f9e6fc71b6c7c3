"""What is true of a whole system and of this process: names, switches, rights."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.model.modules import taint_letters

CAP_SYS_MODULE = 16
"""Number of the capability that loading and unloading need."""
CAP_SYSLOG = 34
"""Number of the capability that shows kernel addresses and the kernel log."""

_ALL_IDS = (0, 0, 4294967295)


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """One system's names and the switches that decide about modules.

    Whatever the system does not show is None.

    Attributes:
        hostname: of the machine.
        release: of the kernel, as `uname -r` prints it.
        machine: as `uname -m` prints it.
        version: the line of /proc/version.
        cmdline: with which the kernel was started.
        tainted: bits of /proc/sys/kernel/tainted.
        lockdown: `none`, `integrity` or `confidentiality`.
        kptr_restrict: 0 shows addresses, 1 only with CAP_SYSLOG, 2 never.
        perf_event_paranoid: addresses are also hidden when this is above 1.
        dmesg_restrict: 1 where the kernel log needs CAP_SYSLOG.
        modules_disabled: 1 when nothing can be loaded or unloaded until reboot.
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
        """Letters of the kernel's taint; empty if it has none or shows none."""
        return taint_letters(self.tainted or 0)

    @property
    def addresses_hidden_by(self) -> tuple[str, ...]:
        """The switches, as `name=value`, that hide addresses from who lacks CAP_SYSLOG.

        Empty when everyone sees them. `kptr_restrict=2` hides them from all.
        """
        if self.kptr_restrict:
            return (f"kptr_restrict={self.kptr_restrict}",)
        if self.perf_event_paranoid is not None and self.perf_event_paranoid > 1:
            return (f"perf_event_paranoid={self.perf_event_paranoid}",)
        return ()


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The rights of this process.

    Attributes:
        uid: effective user id.
        capabilities: bits of the effective set; None where /proc does not tell.
        initial_user_namespace: False inside a container that maps user ids, where
            even its root may not load modules; None where /proc does not tell.
    """

    uid: int
    capabilities: int | None = None
    initial_user_namespace: bool | None = None

    def has(self, capability: int) -> bool:
        """Return whether a capability is effective, and counts for the whole machine."""
        return (
            self.capabilities is not None
            and bool(self.capabilities >> capability & 1)
            and self.initial_user_namespace is not False
        )

    @property
    def may_load(self) -> bool:
        """Whether this process itself may load and unload modules."""
        return self.has(CAP_SYS_MODULE)


def is_initial_id_map(text: str) -> bool:
    """Return whether the text of /proc/self/uid_map maps every id to itself."""
    words = text.split()
    return all(word.isdigit() for word in words) and tuple(map(int, words)) == _ALL_IDS

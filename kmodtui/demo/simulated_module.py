"""A module of the simulated kernel: the visible part of Linux's `struct module`."""

from __future__ import annotations

from dataclasses import dataclass, field

from kmodtui.model.modules import ModuleState

_INITSTATE = {
    ModuleState.LIVE: "live",
    ModuleState.LOADING: "coming",
    ModuleState.UNLOADING: "going",
}
_SIGN = {ModuleState.LIVE: "", ModuleState.LOADING: "+", ModuleState.UNLOADING: "-"}


@dataclass(eq=False)
class SimulatedModule:
    """One loaded module.

    Attributes:
        name: as the kernel spells it, with `_`.
        size: memory in bytes, without its init section.
        init_size: memory of its init section in bytes; 0 once that is freed.
        permanent: whether it has an init function but no exit function.
        taints: its taint flags.
        address: address of its text; 0 if the recording has no addresses.
        state: Live, Loading or Unloading.
        references: references not held by users: mounts, open files, its running init; -1
            while it is Unloading, because the kernel has dropped its own one.
        users: modules that hold a reference, newest first.
        depends: its direct dependencies, to which it holds a reference.
        holds: other references that it holds, by module, including itself.
        rows: its rows of /proc/kallsyms.
    """

    name: str
    size: int
    permanent: bool
    taints: str
    address: int
    state: ModuleState = ModuleState.LIVE
    init_size: int = 0
    references: int = 0
    users: list[str] = field(default_factory=list)
    depends: list[str] = field(default_factory=list)
    holds: dict[str, int] = field(default_factory=dict)
    rows: bytes = b""

    @property
    def refcount(self) -> int:
        """Number of all references."""
        return len(self.users) + self.references

    @property
    def proc_line(self) -> str:
        """Its line of /proc/modules, as `m_show` in `kernel/module/procfs.c` writes it."""
        names = [*self.users, *(["[permanent]"] if self.permanent else [])]
        users = "".join(f"{name}," for name in names) or "-"
        taints = f" ({self.taints}{_SIGN[self.state]})" if self.taints else ""
        return (
            f"{self.name} {self.size + self.init_size} {self.refcount} {users} "
            f"{self.state} 0x{self.address:016x}{taints}\n"
        )

    @property
    def attributes(self) -> dict[str, bytes]:
        """The files of /sys/module/NAME that change with its state."""
        values = {
            "initstate": _INITSTATE[self.state],
            "refcnt": str(self.refcount),
            "coresize": str(self.size),
            "initsize": str(self.init_size),
            "taint": self.taints,
        }
        return {name: f"{value}\n".encode() for name, value in values.items()}

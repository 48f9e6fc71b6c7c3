"""A module in the simulated kernel: what Linux keeps in `struct module`, as far as it shows."""

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
        name: as the kernel has it.
        size: bytes without init memory.
        init_size: bytes of init memory that it holds at the moment.
        permanent: has an init and no exit.
        taints: letters.
        address: of its text; 0 where the recording hides addresses.
        references: held by what is no module: mounts, open files, its own init; -1 while it
            is unloaded, when the kernel has taken its own one away.
        users: modules that hold a reference, the newest first.
        depends: modules that it holds a reference to.
        holds: references that it has taken otherwise, by module; itself among them.
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
        """References in all."""
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

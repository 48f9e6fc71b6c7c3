"""Who uses a module beside other modules, as far as the system tells, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kmodtui.model.text import counted

_NAMED = 3


class UseKind(StrEnum):
    """What sort of thing uses a module."""

    MOUNT = "mount"
    INTERFACE = "network interface"
    BLOCK_DEVICE = "block device"
    OPEN_FILE = "open file"
    SOCKET = "socket"
    ALGORITHM = "algorithm"


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that uses a module.

    Attributes:
        kind: of thing.
        what: in a few words that name it: `/mnt/data (btrfs)`, `eth0, up`.
        evidence: a line that proves it, behind the name of the file that it stands in.
        connection: from where one is connected through it; empty if one is not.
    """

    kind: UseKind
    what: str
    evidence: str
    connection: str = ""

    @property
    def holds(self) -> bool:
        """Whether the kernel counts it as a reference, so that the module cannot be unloaded.

        A network interface is not counted: it goes with its driver, in use or not.
        """
        return self.kind is not UseKind.INTERFACE


@dataclass(frozen=True, slots=True)
class Usage:
    """What was found at one look.

    Attributes:
        by_module: the uses of each module that was asked for; those without are left out.
        unseen: how many processes may not be looked into, being another user's.
    """

    by_module: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)
    unseen: int = 0

    def holders(self, module: str) -> tuple[Use, ...]:
        """Return what keeps a module from being unloaded."""
        return tuple(use for use in self.by_module.get(module, ()) if use.holds)


NO_USAGE = Usage()


def holder_words(usage: Usage, module: str) -> str:
    """Return who holds a module in a sentence; empty where nobody was found."""
    found = usage.holders(module)
    if not found:
        return ""
    named = "; ".join(f"{use.kind} {use.what}" for use in found[:_NAMED])
    more = f"; and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"Found: {named}{more}."


def unseen_words(usage: Usage) -> str:
    """Return what could not be looked into, in a sentence; empty if nothing."""
    if not usage.unseen:
        return ""
    processes = counted(usage.unseen, "process", "processes")
    return f"{processes} of other users cannot be looked into without root."


def unload_warnings(usage: Usage, modules: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each thing that goes away, or is cut off, with modules."""
    interfaces = [
        (module, use)
        for module in modules
        for use in usage.by_module.get(module, ())
        if not use.holds
    ]
    cut = [
        f"You are connected through {use.what.partition(',')[0]}, from {use.connection}: unloading "
        f"{module} cuts this connection, and perhaps the way back in."
        for module, use in interfaces
        if use.connection
    ]
    gone = [
        f"The network interface {use.what} goes away with {module}."
        for module, use in interfaces
        if not use.connection
    ]
    return (*cut, *gone)

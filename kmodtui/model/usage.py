"""What uses a module beside other modules, as far as the system shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from kmodtui.model.modules import LoadedModule
from kmodtui.model.text import counted

_NAMED = 3
"""Uses that are named in a sentence; of the others only the number is given."""


class UseKind(StrEnum):
    """What uses a module."""

    MOUNT = "mount"
    INTERFACE = "network interface"
    DEVICE = "device"
    BLOCK_DEVICE = "block device"
    OPEN_FILE = "open file"
    SOCKET = "socket"
    ALGORITHM = "algorithm"
    LIVE_PATCH = "live patch"
    CONSOLE = "console"
    BPF = "BPF program"
    PROBE = "kprobe"

    @property
    def remedy(self) -> str:
        """How such a use is ended, as an order; empty where it does not prevent an unload."""
        match self:
            case UseKind.MOUNT:
                return "Unmount it first."
            case UseKind.BLOCK_DEVICE:
                return "Stop using the block device first."
            case UseKind.OPEN_FILE:
                return "End the program first."
            case UseKind.SOCKET:
                return "Close the sockets first."
            case UseKind.ALGORITHM:
                return "Stop what uses the algorithm first."
            case UseKind.LIVE_PATCH:
                return (
                    "Disable the live patch first: write 0 to its file enabled in "
                    "/sys/kernel/livepatch, unless it is 0 already, and wait until transition "
                    "is 0. As root, "
                    "/proc/PID/patch_state shows which tasks a transition waits for."
                )
            case UseKind.CONSOLE:
                return (
                    "Detach the console first: write 0 to its bind file in "
                    "/sys/class/vtconsole. Its screen then stays dark until another driver "
                    "takes it over."
                )
            case UseKind.BPF:
                return "Detach the BPF programs first. As root, bpftool link lists them."
            case UseKind.INTERFACE | UseKind.DEVICE | UseKind.PROBE:
                return ""
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that uses a module.

    Attributes:
        kind: what it is.
        what: its name and state in a few words: `/mnt/data (btrfs)`, `eth0, up`.
        evidence: the line that proves it, after the name of the file it stands in.
        connection: the address of the client that is connected through it; empty if none is.
        references: how many of the module's references it accounts for.
        possible: whether it may hold a reference, but nothing proves that it does.
    """

    kind: UseKind
    what: str
    evidence: str
    connection: str = ""
    references: int = 1
    possible: bool = False

    @property
    def holds(self) -> bool:
        """Whether it prevents the unload.

        The kernel does not count a network interface, a device that a driver is bound to,
        or a kprobe: they disappear with the driver, in use or not.
        """
        return self.kind not in (UseKind.INTERFACE, UseKind.DEVICE, UseKind.PROBE)

    def __str__(self) -> str:
        """Return it for a sentence: `mount /mnt/data (btrfs)`."""
        return f"{self.kind} {self.what}"


@dataclass(frozen=True, slots=True)
class Usage:
    """What was found in one reading.

    Attributes:
        by_module: the uses of each module; modules without any are left out.
        unseen: number of processes that could not be inspected, because they are another
            user's.
        hooks_unseen: whether kprobes and BPF programs could not be inspected.
    """

    by_module: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)
    unseen: int = 0
    hooks_unseen: bool = False

    def holders(self, module: str) -> tuple[Use, ...]:
        """Return what prevents a module from being unloaded, or may prevent it."""
        return tuple(use for use in self.by_module.get(module, ()) if use.holds)


NO_USAGE = Usage()


def used_by(usage: Usage, module: str) -> str:
    """Return what uses a module beside other modules, in a few words; empty if nothing is known.

    `mount / (ext4); network interface eth0, up; and 2 more`
    """
    return _listed(usage.by_module.get(module, ()))


def users_of(module: LoadedModule, usage: Usage) -> str:
    """Return everything that is known to use a module, for the column `used by`.

    `[permanent] xfs ext4; mount /mnt (btrfs) +1`: modules first; a number at the end counts
    the references of unknown users. It is left out where it would stand alone, because then
    it only repeats the reference count.
    """
    modules = " ".join((*(("[permanent]",) if module.permanent else ()), *module.users))
    uses = [use for use in usage.by_module.get(module.name, ()) if not use.possible]
    others = _names(map(_short, uses), "; ")
    words = "; ".join(filter(None, (modules, others)))
    found = sum(use.references for use in usage.holders(module.name))
    unknown = module.other_references - found
    known = module.users or uses
    return f"{words} +{unknown}" if unknown > 0 and known else words


def _short(use: Use) -> str:
    """Return a use for a narrow column: without its kind, where its name says it as well."""
    if use.kind in (UseKind.INTERFACE, UseKind.BLOCK_DEVICE, UseKind.OPEN_FILE):
        return use.what
    return str(use)


def held_by(usage: Usage, module: str, references: int) -> str:
    """Return what holds a module beside other modules, in sentences.

    Args:
        usage: what was found.
        module: its name.
        references: how many references are not held by modules.
    """
    held = counted(references, "reference")
    holders = usage.holders(module)
    certain = [use for use in holders if not use.possible]
    found = sum(use.references for use in certain)
    if certain and found >= references:
        return f"Held by {_listed(certain)}."
    if found:
        was = "was" if found == 1 else "were"
        sentence = f"{found} of {held} not held by modules {was} found: {_listed(certain)}."
        if possible := [use for use in holders if use.possible]:
            sentence += f" Possible: {_listed(possible)}."
    elif holders:
        sentence = f"Probably held by {_listed(holders)}."
    else:
        whose = "its reference" if references == 1 else f"its {held}"
        sentence = (
            f"No module holds {whose}, and kmodtui found no mount, open file, device or socket "
            "that does."
        )
    return " ".join(filter(None, (sentence, unseen_words(usage))))


def release_remedy(holders: Sequence[Use]) -> str:
    """Return how to make the holders of a module release it, whether they were found or not."""
    if not holders:
        return "Find what uses it, for example with findmnt, lsof or ss as root, and stop it."
    return " ".join(dict.fromkeys(use.kind.remedy for use in holders if use.kind.remedy))


def unseen_words(usage: Usage) -> str:
    """Return what could not be inspected, in a sentence; empty if everything could."""
    unseen = []
    if usage.unseen:
        processes = counted(usage.unseen, "process", "processes")
        unseen.append(f"{processes} of other users")
    if usage.hooks_unseen:
        unseen.append("BPF programs attached to it")
    if not unseen:
        return ""
    what = " and ".join(unseen)
    return f"{what} cannot be inspected without root privileges."


def unload_warnings(usage: Usage, modules: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each thing that disappears, or is cut off, with modules."""
    cut, interfaces, devices = [], [], []
    for module in modules:
        uses = [use for use in usage.by_module.get(module, ()) if not use.holds]
        cut += [
            f"You are connected through {use.what.partition(',')[0]}, from {use.connection}: "
            f"unloading {module} cuts this connection, and you may not be able to reconnect."
            for use in uses
            if use.connection
        ]
        interfaces += [
            f"The network interface {use.what.replace(', ', ' (')}) disappears with {module}."
            for use in uses
            if use.kind is UseKind.INTERFACE and not use.connection
        ]
        bound = [use for use in uses if use.kind is UseKind.DEVICE]
        if bound:
            lose = "loses its driver" if len(bound) == 1 else "lose their driver"
            noun = "device" if len(bound) == 1 else "devices"
            names = _names(use.what for use in bound)
            devices.append(f"The {noun} {names} {lose} with {module}.")
    return (*cut, *interfaces, *devices)


def _listed(uses: Sequence[Use]) -> str:
    return _names(uses, "; ")


def _names(things: Iterable[object], between: str = ", ") -> str:
    """Return the first few things, and how many more there are."""
    words = [str(thing) for thing in things]
    more = [f"and {len(words) - _NAMED:,} more"] if len(words) > _NAMED else []
    return between.join((*words[:_NAMED], *more))

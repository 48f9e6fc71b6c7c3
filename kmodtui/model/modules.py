"""A loaded module as /proc/modules shows it, and what its letters mean.

Source of the format: `m_show` in `kernel/module/procfs.c`, taint letters from
`taint_flags` in `kernel/panic.c`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

MAX_NAME = 55
"""Characters a module name can have: MODULE_NAME_LEN on 64 bit, less the NUL."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,54}")

TAINTS = {
    "P": "proprietary licence",
    "F": "force-loaded",
    "S": "CPU out of specification",
    "R": "force-unloaded",
    "M": "machine check",
    "B": "bad page",
    "U": "asked for by a user",
    "D": "kernel died (oops or BUG)",
    "A": "ACPI table overridden",
    "W": "warning issued",
    "C": "staging driver",
    "I": "firmware workaround",
    "O": "out-of-tree",
    "E": "unsigned",
    "L": "soft lockup",
    "K": "live patch",
    "X": "auxiliary, set by the distribution",
    "T": "structure layout randomised",
    "N": "in-kernel test",
    "J": "fwctl debugging",
}
"""Taint letters by bit number of /proc/sys/kernel/tainted, in words."""


def taint_letters(bits: int) -> str:
    """Return the letters of the kernel-wide taint mask; `?` for a bit without one."""
    letters = list(TAINTS)
    return "".join(
        letters[bit] if bit < len(letters) else "?"
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    )


def taint_words(letters: str) -> tuple[str, ...]:
    """Return what each letter means; an unknown letter is told as that."""
    return tuple(TAINTS.get(letter, f"unknown taint {letter}") for letter in letters)


def canonical(name: str) -> str:
    """Return the name that the kernel uses: `-` and `_` are one, `_` is stored.

    A file name loses its folder and everything from the first dot on, as
    `modname_normalize` in kmod does.
    """
    base = name.rsplit("/", 1)[-1].split(".", 1)[0]
    return base.replace("-", "_")


def is_module_name(name: str) -> bool:
    """Return whether `name` could be the name of a module, and is safe to pass on."""
    return _NAME.fullmatch(name) is not None


class ModuleState(StrEnum):
    """What /proc/modules says of a module's life."""

    LIVE = "Live"
    LOADING = "Loading"
    UNLOADING = "Unloading"


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """One line of /proc/modules.

    Attributes:
        name: as the kernel has it, with `_`.
        size: bytes, init memory included while Loading.
        refcount: users plus other references; -1 while Unloading; None where
            the kernel cannot unload (CONFIG_MODULE_UNLOAD=n).
        users: modules that hold a reference, in the kernel's order.
        state: Live, Loading or Unloading.
        taints: letters without the `+` and `-` that stand for coming and going.
        permanent: it has an init and no exit: stays until reboot.
        address: of its text, 0 where the kernel hides addresses.
    """

    name: str
    size: int
    refcount: int | None
    users: tuple[str, ...]
    state: ModuleState
    taints: str
    permanent: bool
    address: int

    @property
    def other_references(self) -> int:
        """References that no module holds: mounts, open files, devices, sockets."""
        if self.refcount is None or self.refcount < 0:
            return 0
        return max(0, self.refcount - len(self.users))


@dataclass(frozen=True)
class ModuleTable:
    """One reading of /proc/modules, newest module first, as the kernel lists them.

    Attributes:
        modules: the lines that could be read.
        raw: the bytes they were read from: equal bytes mean that nothing changed.
        malformed: lines that make no sense, made safe for showing. Never lost.
    """

    modules: tuple[LoadedModule, ...] = ()
    raw: bytes = b""
    malformed: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, LoadedModule]:
        """The same modules by name."""
        return {module.name: module for module in self.modules}

    @cached_property
    def live(self) -> frozenset[str]:
        """Names of the modules whose state is Live."""
        return frozenset(m.name for m in self.modules if m.state is ModuleState.LIVE)

    @property
    def settled(self) -> bool:
        """Whether no module is on its way in or out."""
        return len(self.live) == len(self.modules)

    @property
    def total_size(self) -> int:
        """Bytes of all modules together."""
        return sum(module.size for module in self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[LoadedModule]:
        return iter(self.modules)

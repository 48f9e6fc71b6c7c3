"""The loaded modules as /proc/modules shows them, and the taint flags.

Format: `m_show` in `kernel/module/procfs.c`; taint flags: `taint_flags` in
`kernel/panic.c`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

MAX_NAME = 55
"""Maximum length of a module name: MODULE_NAME_LEN on 64-bit kernels, less the NUL."""

TAINTS = {
    "P": "proprietary licence",
    "F": "force-loaded",
    "S": "CPU out of specification",
    "R": "force-unloaded",
    "M": "machine check",
    "B": "bad page",
    "U": "set by user space",
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
    "T": "struct layout randomized",
    "N": "in-kernel test",
    "J": "fwctl debugging",
}
"""Meaning of each taint flag, in the order of the bits of /proc/sys/kernel/tainted.

See `Documentation/admin-guide/tainted-kernels.rst`.
"""


_VENDOR_BITS = {26: "p", 27: "r", 28: "H", 29: "t", 30: "u", 31: "N"}
"""Bits that distributions use: 26 to 30 Red Hat, 31 SUSE."""

VENDOR_TAINTS = {
    "p": "supported by a partner of Red Hat",
    "r": "support removed by Red Hat",
    "h": "support removed by Red Hat",
    "H": "hardware not supported by Red Hat",
    "t": "technology preview of Red Hat",
    "u": "unprivileged BPF allowed (Red Hat)",
    "N": "in-kernel test; with SUSE's kernels: not supported by SUSE",
    "X": "auxiliary, set by the distribution; with SUSE's kernels: supported externally",
}
"""Meaning of flags in kernels of distributions, where Linux has none or another one."""


def taint_flags(bits: int) -> str:
    """Return the taint flags for a mask such as /proc/sys/kernel/tainted; `?` if unknown."""
    letters = list(TAINTS)
    return "".join(
        letters[bit] if bit < len(letters) else _VENDOR_BITS.get(bit, "?")
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    )


def taint_words(letters: str) -> tuple[str, ...]:
    """Return the meaning of each taint flag."""
    known = {**TAINTS, **VENDOR_TAINTS}
    return tuple(known.get(letter, f"unknown taint {letter}") for letter in letters)


def canonical(name: str) -> str:
    """Return the module name as the kernel spells it, with `_` for `-`.

    A path is reduced to its file name, up to the first dot, as in kmod's `modname_normalize`.
    """
    base = name.rsplit("/", 1)[-1].split(".", 1)[0]
    return base.replace("-", "_")


def named_module(text: str, names: Container[str]) -> str:
    """Return the name of the module that a text means, preferably one of `names`.

    The kernel allows dots in a module's name; kmod cuts it at the first one.
    """
    whole = text.replace("-", "_")
    return whole if whole in names else canonical(text)


def kernel_spelling(name: str) -> str:
    """Return a module's name with `_`; unlike in a file's name, nothing after a dot is cut."""
    return name.replace("-", "_")


def is_module_name(name: str) -> bool:
    """Return whether `name` is a valid module name, and so is safe as an argument."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,54}", name) is not None


class ModuleState(StrEnum):
    """State of a module, as written in /proc/modules."""

    LIVE = "Live"
    LOADING = "Loading"
    UNLOADING = "Unloading"


def hang_remedy(state: ModuleState) -> str:
    """Return what to do about a module that is loading or unloading, perhaps for ever."""
    function = "init" if state is ModuleState.LOADING else "exit"
    return (
        f"Wait until it has finished. If it does not, its {function} function hangs: see the "
        "kernel log for lines that name it. It can neither be loaded nor unloaded before a reboot."
    )


class LoadedModule(NamedTuple):
    """One line of /proc/modules.

    Attributes:
        name: as the kernel spells it, with `_`.
        size: memory in bytes, including the init section while Loading.
        refcount: references of users and others; -1 while Unloading; None if the kernel
            cannot unload modules (CONFIG_MODULE_UNLOAD=n).
        users: modules that hold a reference, in the kernel's order.
        state: Live, Loading or Unloading.
        taints: taint flags, without the `+` or `-` that marks Loading or Unloading.
        permanent: it has an init function but no exit function: it cannot be unloaded.
        address: address of its text; 0 if the kernel hides addresses.
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
        """References not held by modules: mounts, open files, devices, sockets."""
        if self.refcount is None or self.refcount < 0:
            return 0
        return max(0, self.refcount - len(self.users))


class ModuleTable:
    """One reading of /proc/modules, newest module first, as the kernel lists them.

    Attributes:
        modules: the modules.
        raw: the bytes of the file; if they are equal, nothing has changed.
        malformed: lines that could not be parsed, made safe to show.
    """

    # No dataclass: to import that module takes as long as all the rest of `kmodtui list`.
    def __init__(
        self,
        modules: tuple[LoadedModule, ...] = (),
        raw: bytes = b"",
        malformed: tuple[str, ...] = (),
    ) -> None:
        self.modules = modules
        self.raw = raw
        self.malformed = malformed

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModuleTable):
            return NotImplemented
        mine, others = ((t.modules, t.raw, t.malformed) for t in (self, other))
        return mine == others

    def __hash__(self) -> int:
        return hash((self.modules, self.raw, self.malformed))

    @cached_property
    def by_name(self) -> dict[str, LoadedModule]:
        """The modules by name."""
        return {module.name: module for module in self.modules}

    @cached_property
    def live(self) -> frozenset[str]:
        """Names of the modules whose state is Live."""
        return frozenset(m.name for m in self.modules if m.state is ModuleState.LIVE)

    @property
    def settled(self) -> bool:
        """Whether no module is Loading or Unloading."""
        return len(self.live) == len(self.modules)

    @property
    def total_size(self) -> int:
        """Memory of all modules in bytes."""
        return sum(module.size for module in self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[LoadedModule]:
        return iter(self.modules)

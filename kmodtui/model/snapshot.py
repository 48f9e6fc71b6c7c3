"""Snapshots: the modules and symbols of a machine at one moment, and the comparison of two.

Two snapshots of one boot compare like two readings. Modules and symbols of
different kernels are compared by name only, whatever their address or contents.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kmodtui.errors import SnapshotError
from kmodtui.model.history import Change, Totals
from kmodtui.model.modules import LoadedModule, ModuleState, ModuleTable, taint_flags
from kmodtui.model.symbols.table import SymbolDelta, SymbolTable, difference
from kmodtui.model.text import clean

MAX_MODULES = 20_000
"""Maximum number of modules in a snapshot; distributions ship thousands, systems load hundreds."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a snapshot was taken. What the system does not show is empty.

    Attributes:
        taken: seconds since the epoch.
        hostname: host name of the machine.
        release: kernel release, as printed by `uname -r`.
        machine: architecture, as printed by `uname -m`.
        version: contents of /proc/version.
        command_line: kernel command line, from /proc/cmdline.
        boot: boot id, from /proc/sys/kernel/random/boot_id.
        tainted: the kernel's taint mask.
        addresses: whether it contains addresses; only if the user asked for them.
        kmodtui: version of kmodtui that took it.
    """

    taken: float = 0.0
    hostname: str = ""
    release: str = ""
    machine: str = ""
    version: str = ""
    command_line: str = ""
    boot: str = ""
    tainted: int = 0
    addresses: bool = False
    kmodtui: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The modules and symbols of a machine at one moment.

    Attributes:
        origin: where and when it was taken.
        modules: the modules in /proc/modules, newest first.
        symbols: all of /proc/kallsyms; addresses are 0 unless `origin.addresses`.
        name: the name that is shown: its file, or `now`.
    """

    origin: Origin
    modules: tuple[LoadedModule, ...]
    symbols: SymbolTable
    name: str = "now"

    @property
    def totals(self) -> Totals:
        """Number of modules and symbols, and the memory of the modules."""
        table = ModuleTable(self.modules)
        return Totals.of(table, self.symbols)


@dataclass(frozen=True)
class Comparison:
    """The differences between two snapshots.

    Attributes:
        before: the first snapshot.
        after: the second snapshot.
        symbols: the symbols that only one of them has.
    """

    before: Snapshot
    after: Snapshot
    symbols: SymbolDelta = field(default_factory=SymbolDelta)

    @cached_property
    def loaded(self) -> tuple[LoadedModule, ...]:
        """Modules that only the second has."""
        return _without(self.after, self.before)

    @cached_property
    def unloaded(self) -> tuple[LoadedModule, ...]:
        """Modules that only the first has."""
        return _without(self.before, self.after)

    @cached_property
    def resized(self) -> tuple[tuple[LoadedModule, LoadedModule], ...]:
        """Modules that both have, with different sizes."""
        after = {module.name: module for module in self.after.modules}
        pairs = ((m, after[m.name]) for m in self.before.modules if m.name in after)
        return tuple((one, other) for one, other in pairs if one.size != other.size)

    @property
    def memory(self) -> int:
        """Difference in module memory, second minus first, in bytes."""
        return self.after.totals.memory - self.before.totals.memory

    @property
    def words_added(self) -> tuple[str, ...]:
        """Words of the kernel's command line that only the second has."""
        return _more_words(self.after, self.before)

    @property
    def words_removed(self) -> tuple[str, ...]:
        """Words of the kernel's command line that only the first has."""
        return _more_words(self.before, self.after)

    @property
    def taints_added(self) -> str:
        """Taint flags of the kernel that only the second has."""
        return taint_flags(self.after.origin.tainted & ~self.before.origin.tainted)

    @property
    def taints_removed(self) -> str:
        """Taint flags of the kernel that only the first has; only a reboot clears them."""
        return taint_flags(self.before.origin.tainted & ~self.after.origin.tainted)

    @property
    def warning(self) -> str:
        """A warning about how the snapshots differ in origin; empty if there is none."""
        one, other = self.before.origin, self.after.origin
        if one.release != other.release:
            return (
                f"Different kernels, {one.release or 'unknown'} and "
                f"{other.release or 'unknown'}: symbols are compared by name."
            )
        if one.machine != other.machine:
            return f"Different architectures: {one.machine} and {other.machine}."
        if one.hostname != other.hostname:
            return f"Different machines: {one.hostname} and {other.hostname}."
        if one.boot and other.boot and one.boot != other.boot:
            return "The machine was rebooted between them."
        return ""

    @property
    def nothing_differs(self) -> bool:
        """Whether modules, symbols, kernel command line and taint are the same."""
        return not (
            self.loaded
            or self.unloaded
            or self.resized
            or self.symbols
            or self.words_added
            or self.words_removed
            or self.before.origin.tainted != self.after.origin.tainted
        )

    @property
    def change(self) -> Change:
        """The differences as a change, for widgets that show one; `took` is the time between."""
        return _Between(
            number=0,
            when=self.after.origin.taken,
            loaded=self.loaded,
            unloaded=self.unloaded,
            symbols=self.symbols,
            took=abs(self.after.origin.taken - self.before.origin.taken),
        )


class _Between(Change):
    """The difference of two snapshots as a change; its duration is the time between them."""

    @property
    def took_words(self) -> str:
        """The time between them for the screen: `3.91 s apart`."""
        return f"{super().took_words} apart"


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """Return the differences between two snapshots."""
    return Comparison(before, after, difference(before.symbols, after.symbols))


def _without(one: Snapshot, other: Snapshot) -> tuple[LoadedModule, ...]:
    names = {module.name for module in other.modules}
    return tuple(module for module in one.modules if module.name not in names)


def _more_words(one: Snapshot, other: Snapshot) -> tuple[str, ...]:
    words = Counter(one.origin.command_line.split())
    return tuple((words - Counter(other.origin.command_line.split())).elements())


# File format


def header_line(origin: Origin, modules: tuple[LoadedModule, ...]) -> bytes:
    """Return everything but the symbols as one line of JSON, addresses if the origin has them."""
    head: dict[str, Any] = {key: getattr(origin, name) for key, (name, _) in _ORIGIN_KEYS.items()}
    head["modules"] = [_module_json(module, addresses=origin.addresses) for module in modules]
    return json.dumps(head, separators=(",", ":")).encode("ascii")


def _module_json(module: LoadedModule, *, addresses: bool) -> dict[str, Any]:
    fields = {
        "name": module.name,
        "size": module.size,
        "refcount": module.refcount,
        "holders": module.users,
        "state": module.state,
        "taint": module.taints,
        "permanent": module.permanent,
    }
    return fields | {"address": module.address} if addresses else fields


def read_head(line: bytes) -> tuple[Origin, tuple[LoadedModule, ...]]:
    """Return the origin and the modules from a line written by `header_line`, safe to show.

    Raises:
        SnapshotError: the line is malformed.
    """
    try:
        head = json.loads(line)
        origin = Origin(
            **{name: _field(head, key, kind) for key, (name, kind) in _ORIGIN_KEYS.items()}
        )
        listed = head["modules"]
        if not isinstance(listed, list) or len(listed) > MAX_MODULES:
            raise TypeError
        return origin, tuple(map(_module, listed))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise SnapshotError("Its description of the machine is malformed.") from None


_ORIGIN_KEYS: dict[str, tuple[str, type]] = {
    "taken": ("taken", float),
    "hostname": ("hostname", str),
    "release": ("release", str),
    "machine": ("machine", str),
    "version": ("version", str),
    "command_line": ("command_line", str),
    "boot_id": ("boot", str),
    "tainted": ("tainted", int),
    "addresses": ("addresses", bool),
    "kmodtui_version": ("kmodtui", str),
}
"""The attribute of `Origin` and the type behind each key, in the order of the file."""


def _field(fields: Mapping[str, Any], key: str, kind: type) -> Any:
    """Return a value of the expected type; text is safe to show.

    Raises:
        KeyError: there is no such key.
        TypeError: the value is of another type.
        ValueError: the number is out of range.
    """
    value = fields[key]
    if type(value) not in ((int, float) if kind is float else (kind,)):
        raise TypeError(key)
    if isinstance(value, str):
        return clean(value)
    if kind is float and not 0 <= value < 1e11:
        raise ValueError(key)  # before 1970, or later than a calendar can show
    # The refcount of a module that is Unloading is -1.
    if kind is int and not (-1 if key == "refcount" else 0) <= value < 2**64:
        raise ValueError(key)  # does not fit into a 64-bit word
    return float(value) if kind is float else value


def _module(fields: Mapping[str, Any]) -> LoadedModule:
    refcount = None if fields["refcount"] is None else int(_field(fields, "refcount", int))
    holders = fields["holders"]
    if not isinstance(holders, list) or not all(isinstance(name, str) for name in holders):
        raise TypeError("holders")
    return LoadedModule(
        name=_field(fields, "name", str),
        size=_field(fields, "size", int),
        refcount=refcount,
        users=tuple(map(clean, holders)),
        state=ModuleState(fields["state"]),
        taints=_field(fields, "taint", str),
        permanent=_field(fields, "permanent", bool),
        address=_field(fields, "address", int) if "address" in fields else 0,
    )

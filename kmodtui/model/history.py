"""What happened to the modules: the difference of two readings, made one event."""

from __future__ import annotations

from dataclasses import dataclass, field

from kmodtui.model.modules import LoadedModule
from kmodtui.model.symbols import SymbolDelta


@dataclass(frozen=True)
class Change:
    """The set of live modules changed between two readings.

    Attributes:
        number: 1 for the first change since the start.
        when: seconds since the epoch, taken when the change was noticed.
        came: modules that are live now and were not before, the kernel's order.
        went: modules that were live before and are not now, the kernel's order.
        reloaded: modules that went and came again between two readings.
        passing: names of modules that came and went between two readings.
        symbols: what the symbol table gained and lost; empty if it could not be read.
        took: seconds from noticing the change to having the symbols.
        symbols_missing: why there are no symbols, in a sentence; empty if there are.
        cause: the command line of kmodtui that did it; empty if somebody else did.
    """

    number: int
    when: float
    came: tuple[LoadedModule, ...] = ()
    went: tuple[LoadedModule, ...] = ()
    reloaded: tuple[LoadedModule, ...] = ()
    passing: tuple[str, ...] = ()
    symbols: SymbolDelta = field(default_factory=SymbolDelta)
    took: float = 0.0
    symbols_missing: str = ""
    cause: str = ""

    @property
    def memory(self) -> int:
        """Bytes that the modules hold more (or less, negative) than before."""
        return sum(m.size for m in self.came) - sum(m.size for m in self.went)

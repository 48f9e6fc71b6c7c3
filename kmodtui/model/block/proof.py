"""What was found when a block was verified."""

from __future__ import annotations

from dataclasses import dataclass

from kmodtui.model.block.way import Barrier, Way, WayKind
from kmodtui.model.block.ways import still_open


@dataclass(frozen=True, slots=True)
class Proof:
    """The state of one module under the rules, read again after a change.

    Attributes:
        module: its name.
        ways: the ways by which it can be loaded.
        rules: the rules that decide, each with its source.
        tried: the name and the aliases that modprobe was asked for, without loading anything;
            empty if modprobe could not be run.
        loads: those of them that modprobe would load the module for.
        printed: what modprobe printed for its name.
    """

    module: str
    ways: tuple[Way, ...]
    rules: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    printed: str = ""

    @property
    def open_ways(self) -> tuple[Way, ...]:
        """The ways through modprobe that are not stopped, after the rules."""
        return still_open(self.ways)

    @property
    def by_name(self) -> Barrier:
        """What happens to a load by name."""
        return next(way.barrier for way in self.ways if way.kind is WayKind.NAME)

    @property
    def blocked(self) -> bool:
        """Whether neither the rules nor modprobe let the module in."""
        return not self.open_ways and not self.loads and self.by_name is Barrier.STOPPED

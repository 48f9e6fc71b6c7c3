"""The ways by which a module can be loaded, and whether rules stop them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kmodtui.model.text import counted


class WayKind(StrEnum):
    """A way by which a module can get into the kernel."""

    NAME = "by name"
    ALIAS = "by alias"
    DEPENDENCY = "as a dependency"
    SOFTDEP = "as a softdep"
    IGNORE_INSTALL = "modprobe --ignore-install"
    INSMOD = "insmod FILE"
    INITRAMFS = "from the initramfs"
    LOADED = "already loaded"


class Barrier(StrEnum):
    """What the rules do about a way."""

    STOPPED = "stopped"
    LOGGED = "logged"  # it is loaded, and that is logged
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Way:
    """One way into the kernel.

    Attributes:
        module: the module that is blocked.
        kind: the way.
        barrier: what the rules do about it.
        reason: why, in a sentence without a full stop.
        subjects: the aliases or modules by which it is loaded.
        source: of the rule that decides; empty where none does.
    """

    module: str
    kind: WayKind
    barrier: Barrier
    reason: str
    subjects: tuple[str, ...] = ()
    source: str = ""

    @property
    def by_modprobe(self) -> bool:
        """Whether rules decide about this way; nothing but root's care stops the others."""
        return self.kind in (WayKind.NAME, WayKind.ALIAS, WayKind.DEPENDENCY, WayKind.SOFTDEP)


def summarized(ways: Iterable[Way]) -> tuple[Way, ...]:
    """Return the ways of many modules as one for each kind and result, which counts them."""
    found: dict[tuple[WayKind, Barrier, str], set[str]] = {}
    images: dict[str, None] = {}
    for way in ways:
        found.setdefault((way.kind, way.barrier, way.reason), set()).add(way.module)
        images.update(dict.fromkeys(way.subjects if way.kind is WayKind.INITRAMFS else ()))
    kinds = tuple(WayKind)
    return tuple(
        Way(
            counted(len(modules), "module"),
            kind,
            barrier,
            reason,
            tuple(images) if kind is WayKind.INITRAMFS else (),
        )
        for (kind, barrier, reason), modules in sorted(
            found.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1:])
        )
    )

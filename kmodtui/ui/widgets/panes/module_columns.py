"""The columns of the modules pane: which of them fit at a width, and the cells of a row.

Every column is as wide as its contents. Names are never truncated to make room for
columns that are empty or equal for nearly all modules: on a narrow screen `taint`
and `state` are left out, and the state of a module that is not Live is part of
`used by`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from kmodtui.model.modules import LoadedModule, ModuleState
from kmodtui.model.text import human_size
from kmodtui.model.usage import Usage, users_of
from kmodtui.ui.widgets.lines.view import Part, fit

_MARK = 2
_GAP = 2
_SIZE = len("960.0 KiB")
_USED_BY = len("used by")
_USED_BY_ROOMY = 14  # cells that `used by` gets, if it needs them, before `state` and `taint`
_NAME_MIN = 10


@dataclass(frozen=True, slots=True)
class Longest:
    """Cells of the longest text in each column, 0 where every row is empty."""

    name: int = 0
    size: int = 0
    refs: int = 0
    state: int = 0
    taint: int = 0
    users: int = 0

    @classmethod
    def of(cls, modules: Iterable[LoadedModule], usage: Usage) -> Longest:
        """Return the longest texts of some modules."""
        rows = [
            (m.name, human_size(m.size), _refs(m), m.state, m.taints, users_of(m, usage))
            for m in modules
        ]
        return cls(*(max(map(len, column)) for column in zip(*rows, strict=True)))


@dataclass(frozen=True, slots=True)
class ModuleColumns:
    """Cells of each column; 0 for one that is left out."""

    name: int
    size: int
    refs: int
    state: int
    taint: int
    users: int

    @classmethod
    @lru_cache(maxsize=8)
    def within(cls, width: int, longest: Longest, sorted_by: str = "") -> ModuleColumns:
        """Return the columns for rows of `width` cells.

        Args:
            width: cells of a row.
            longest: the longest texts of all modules.
            sorted_by: title of the column that the rows are sorted by, which is always shown.
        """
        size = max(_SIZE, longest.size) + 1
        refs = max(len("refs"), longest.refs) + 1
        name, users = longest.name, _USED_BY
        spare = width - _MARK - name - size - refs - _GAP - users
        room = max(0, min(_USED_BY_ROOMY, longest.users + 1) - users)
        taint = max(len("taint"), longest.taint) + _GAP
        state = max(len("state"), longest.state) + _GAP
        if sorted_by != "taint" and (not longest.taint or spare < taint + room):
            taint = 0
        spare -= taint
        if sorted_by != "state" and spare < state + room:
            state = 0
        spare -= state
        if not taint and spare >= len("taint") + _GAP + room:
            taint = len("taint") + _GAP  # empty, but there is room for it
            spare -= taint
        if spare < 0:
            name, spare = max(_NAME_MIN, name + spare), 0
        elif spare:
            name, spare = name + 1, spare - 1
        return cls(name, size, refs, state, taint, users + spare)

    def head(self) -> str:
        """Return the column heads."""
        return (
            " " * _MARK
            + fit("name", self.name)
            + fit("size", self.size, right=True)
            + fit("refs", self.refs, right=True)
            + " " * _GAP
            + fit("state" if self.state else "", self.state)
            + fit("taint" if self.taint else "", self.taint)
            + fit("used by", self.users)
        )

    def title_at(self, x: int) -> str:
        """Return the title of the order that a click on a column head asks for.

        Args:
            x: the cell; in front of the names, the order of /proc/modules is meant.
        """
        ends = (
            ("newest", _MARK),
            ("name", self.name),
            ("size", self.size),
            ("refs", self.refs + _GAP),
            ("state", self.state),
            ("taint", self.taint),
            ("used by", self.users),
        )
        end = 0
        for title, width in ends:
            end += width
            if x < end:
                return title
        return "used by"

    def cells(self, module: LoadedModule, usage: Usage) -> tuple[Part, ...]:
        """Return the cells of a module's row, without its mark."""
        live = module.state is ModuleState.LIVE
        state, users = "", self.users
        if not self.state and not live:
            state = fit(f"[{module.state.lower()}] ", min(users, len(module.state) + 3))
            users -= len(state)
        return (
            (fit(module.name, self.name), "strong"),
            (fit(human_size(module.size), self.size, right=True), ""),
            (fit(_refs(module), self.refs, right=True), "dim" if module.refcount == 0 else ""),
            (" " * _GAP, ""),
            (fit(module.state if self.state else "", self.state), "dim" if live else "warn"),
            (fit(module.taints if self.taint else "", self.taint), "warn"),
            (state, "warn"),
            (fit(users_of(module, usage), users), "dim"),
        )


def _refs(module: LoadedModule) -> str:
    return "-" if module.refcount is None else str(module.refcount)

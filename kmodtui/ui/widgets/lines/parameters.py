"""The list of the parameter form: one line for each parameter, and one for any other."""

from __future__ import annotations

from enum import Enum, auto

from kmodtui.model.parameters import FormParameter, problem
from kmodtui.ui.widgets.lines.view import Line, LineView, fit

OTHER = "+ other"
"""The line for a parameter that the module file does not list."""


class Purpose(Enum):
    """What the entered values are used for."""

    LOAD = auto()
    CHANGE = auto()
    RELOAD = auto()
    KEEP = auto()


class ParameterLines(LineView):
    """One line for each parameter. The input line has the focus and handles the keys."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="form-lines")
        self.rows: tuple[FormParameter, ...] = ()
        self.values: dict[str, str] = {}
        self.purpose = Purpose.LOAD
        self.empty_text = "Reading the module's parameters…"

    def line_count(self) -> int:
        """Return the number of parameters, plus one for the line of other parameters."""
        return len(self.rows) + 1 if self.rows else 0

    def _background(self, index: int) -> str:
        return "cursor" if index == self.cursor else ""

    def line(self, index: int, width: int) -> Line:
        """Return name, new value, current value, initial value and type."""
        name, new, current, initial = column_widths(width, loaded=self.purpose is not Purpose.LOAD)
        if index == len(self.rows):
            return ((fit(OTHER, name), "dim"), (fit(self.values.get(OTHER, ""), new), "accent"))
        row = self.rows[index]
        value = self.values.get(row.name)
        wrong = value is not None and bool(problem(row.type, value))
        cells: list[tuple[str, str]] = [
            (fit(row.name, name - 1) + " ", "strong" if value is not None else ""),
            (fit("" if value is None else value, new - 1) + " ", "bad" if wrong else "good"),
        ]
        if current:
            shown = row.value if row.value is not None else "–"
            sign = "w " if row.writable else "  "
            cells += [(sign, "accent"), (fit(shown, current - 3) + " ", "info")]
        cells += [(fit(row.starting_value, initial - 1) + " ", "dim")]
        return (*cells, (row.type or "untyped", "dim"))


def column_widths(width: int, *, loaded: bool) -> tuple[int, int, int, int]:
    """Return the cells of name, new, current and initial value; the type has the rest."""
    if loaded:
        return width * 28 // 100, width * 20 // 100, width * 20 // 100, width * 16 // 100
    return width * 32 // 100, width * 26 // 100, 0, width * 22 // 100

"""A graph of the number of symbols and the memory of modules, with a step for each event."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from kmodtui.model.history import Timeline
from kmodtui.model.text import human_size

BLOCKS = "▁▂▃▄▅▆▇█"

_LABEL = 9


class TotalsGraph(Widget):
    """Two curves over the events, with the cursor and the marks below.

    The horizontal axis counts events instead of seconds: a module that is loaded and
    unloaded within one second would not be visible otherwise.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "graph--symbols",
        "graph--memory",
        "graph--label",
        "graph--now",
        "graph--cursor",
        "graph--mark",
    }

    def __init__(self) -> None:
        super().__init__(id="totals-graph")
        self._timeline = Timeline()
        self._cursor = 0
        self._marks: tuple[int, ...] = ()

    def show(self, timeline: Timeline, cursor: int, marks: tuple[int, ...]) -> None:
        """Show a timeline; `cursor` and `marks` are points of it."""
        if (timeline, cursor, marks) != (self._timeline, self._cursor, self._marks):
            self._timeline, self._cursor, self._marks = timeline, cursor, marks
            self.refresh()

    def render(self) -> Text:
        """Return the curves at the widget's size."""
        timeline = self._timeline
        totals = [timeline.totals_at(point) for point in range(len(timeline) + 1)]
        cursor = min(self._cursor, len(timeline))
        current = totals[cursor]
        symbols = [total.symbols or 0 for total in totals]
        memory = [total.memory for total in totals]
        curves = (
            ("symbols", symbols, f"{current.symbols or 0:,}", _number),
            ("memory", memory, human_size(current.memory), human_size),
        )
        value_width = max(cell_len(value) for _, _, value, _ in curves)
        ranges = [_range(text(min(values)), text(max(values))) for _, values, _, text in curves]
        width = self.size.width - _LABEL - value_width - max(map(cell_len, ranges)) - 4
        if width < 24:
            width, ranges = self.size.width - _LABEL - value_width - 2, ["", ""]
        columns = columns_of(len(totals), cursor, max(1, width))
        roomy = self.size.height > len(curves) + 1
        height = (self.size.height - 2) // len(curves) if roomy else 1
        label, strong, accent = (
            self.get_component_rich_style(f"graph--{n}") for n in ("label", "now", "cursor")
        )
        text = Text("", no_wrap=True, end="")
        for (name, values, value, _), value_range in zip(curves, ranges, strict=True):
            rows = curve(values, columns, height)
            for number, row in enumerate(rows):
                last = number == height - 1
                text.append(f"{name if last else '':<{_LABEL}}", label)
                text.append(row, self.get_component_rich_style(f"graph--{name}"))
                if last:
                    text.append(f"  {value:>{value_width}}", strong)
                    text.append(f"  {value_range}", label)
                text.append("\n")
            if roomy and name == "symbols":
                text.append("\n")
        text.append(f"{_clock(timeline.when(columns[0])):<{_LABEL}}", label)
        self._append_signs(text, columns, cursor, accent)
        text.append(f"  {_clock(timeline.when(cursor)):>{value_width}}", accent)
        return text

    def _append_signs(self, text: Text, columns: Sequence[int], cursor: int, style: Style) -> None:
        mark = self.get_component_rich_style("graph--mark")
        signs = dict.fromkeys(self._marks, ("◆", mark)) | {cursor: ("▲", style)}
        for point in columns:
            # A sign is below the first column of its point.
            text.append(*signs.pop(point, (" ", style)))


def _number(value: int) -> str:
    return f"{value:,}"


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when)) if when else ""


def _range(least: str, most: str) -> str:
    return "" if least == most else f"{least} … {most}"


def columns_of(count: int, cursor: int, width: int) -> list[int]:
    """Return the point of the timeline that each of `width` columns shows.

    All points get the same number of columns, give or take one. If there are more points
    than columns, the points around the cursor get one column each.

    Args:
        count: number of points.
        cursor: the point under the cursor.
        width: number of columns.
    """
    if count <= width:
        return [column * count // width for column in range(width)]
    first = max(0, min(cursor - width // 2, count - width))
    return list(range(first, first + width))


def curve(values: Sequence[int], columns: Sequence[int], height: int) -> list[str]:
    """Return a curve as `height` rows of block characters.

    Args:
        values: the value of each point; their minimum and maximum set the scale.
        columns: the point that each column shows.
        height: number of rows.
    """
    least, most = min(values), max(values)
    steps = len(BLOCKS) * height
    levels = [
        1 + round((values[point] - least) * (steps - 1) / (most - least)) if most > least else 1
        for point in columns
    ]
    rows = []
    for row in range(height - 1, -1, -1):
        below = row * len(BLOCKS)
        rows.append(
            "".join(
                " " if level <= below else BLOCKS[min(level - below, len(BLOCKS)) - 1]
                for level in levels
            )
        )
    return rows

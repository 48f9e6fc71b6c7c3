"""A graph of the number of symbols and the memory of modules over time."""

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
    """Two curves on a common time axis, with the cursor and the marks below."""

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
        current = totals[min(self._cursor, len(timeline))]
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
        columns = columns_of(timeline, max(1, width))
        roomy = self.size.height > len(curves) + 1
        height = (self.size.height - 2) // len(curves) if roomy else 1
        label, strong, accent = (
            self.get_component_rich_style(f"graph--{n}") for n in ("label", "now", "cursor")
        )
        text = Text("", no_wrap=True, end="")
        for (name, values, value, _), value_range in zip(curves, ranges, strict=True):
            rows = curve([values[point] for point in columns], height)
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
        text.append(f"{_clock(timeline.began):<{_LABEL}}", label)
        self._append_markers(text, columns, accent)
        text.append(
            f"  {_clock(timeline.when(min(self._cursor, len(timeline)))):>{value_width}}", accent
        )
        return text

    def _append_markers(self, text: Text, columns: Sequence[int], style: Style) -> None:
        mark = self.get_component_rich_style("graph--mark")
        places = {self._place(columns, point): ("◆", mark) for point in self._marks}
        places[self._place(columns, self._cursor)] = ("▲", style)
        for column in range(len(columns)):
            text.append(*places.get(column, (" ", style)))

    @staticmethod
    def _place(columns: Sequence[int], point: int) -> int:
        """Return the first column of a point, or the nearest column if it has none."""
        return next((n for n, shown in enumerate(columns) if shown >= point), len(columns) - 1)


def _number(value: int) -> str:
    return f"{value:,}"


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when)) if when else ""


def _range(least: str, most: str) -> str:
    return "" if least == most else f"{least} … {most}"


def columns_of(timeline: Timeline, width: int) -> list[int]:
    """Return the point of the timeline that each of `width` columns shows.

    The columns divide the time from the start to the last event evenly. If all events
    have the same time, the columns are divided evenly among the points instead.
    """
    count = len(timeline) + 1
    times = [timeline.when(point) for point in range(count)]
    span = times[-1] - times[0]
    if span <= 0 or count == 1:
        return [min(count - 1, column * count // width) for column in range(width)]
    # The last event gets a few columns of its own, so that it is visible.
    end = times[0] + span * width / max(1, width - max(1, width // 12))
    columns, point = [], 0
    for column in range(width):
        now = times[0] + (end - times[0]) * (column + 1) / width
        while point + 1 < count and times[point + 1] <= now:
            point += 1
        columns.append(point)
    return columns


def curve(values: Sequence[int], height: int) -> list[str]:
    """Return values as `height` rows of block characters, scaled from minimum to maximum."""
    least, most = min(values), max(values)
    steps = len(BLOCKS) * height
    levels = [
        1 + round((value - least) * (steps - 1) / (most - least)) if most > least else 1
        for value in values
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

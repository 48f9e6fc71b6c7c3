"""How many symbols and how much memory there were, over time, in a few lines of blocks."""

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
    """Two curves on one clock, and under them where the cursor and the marks are."""

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
        """Show a timeline with the cursor and the marks on points of it."""
        if (timeline, cursor, marks) != (self._timeline, self._cursor, self._marks):
            self._timeline, self._cursor, self._marks = timeline, cursor, marks
            self.refresh()

    def render(self) -> Text:
        """Return the curves as they fit."""
        timeline = self._timeline
        totals = [timeline.totals_at(point) for point in range(len(timeline) + 1)]
        here = totals[min(self._cursor, len(timeline))]
        curves = (
            ("symbols", [one.symbols or 0 for one in totals], f"{here.symbols or 0:,}", _number),
            ("memory", [one.memory for one in totals], human_size(here.memory), human_size),
        )
        now_width = max(cell_len(now) for _, _, now, _ in curves)
        spans = [_span(told(min(values)), told(max(values))) for _, values, _, told in curves]
        width = self.size.width - _LABEL - now_width - max(map(cell_len, spans)) - 4
        if width < 24:
            width, spans = self.size.width - _LABEL - now_width - 2, ["", ""]
        columns = columns_of(timeline, max(1, width))
        roomy = self.size.height > len(curves) + 1
        height = (self.size.height - 2) // len(curves) if roomy else 1
        label, strong, accent = (
            self.get_component_rich_style(f"graph--{n}") for n in ("label", "now", "cursor")
        )
        text = Text("", no_wrap=True, end="")
        for (name, values, now, _), span in zip(curves, spans, strict=True):
            rows = curve([values[point] for point in columns], height)
            for number, row in enumerate(rows):
                last = number == height - 1
                text.append(f"{name if last else '':<{_LABEL}}", label)
                text.append(row, self.get_component_rich_style(f"graph--{name}"))
                if last:
                    text.append(f"  {now:>{now_width}}", strong)
                    text.append(f"  {span}", label)
                text.append("\n")
            if roomy and name == "symbols":
                text.append("\n")
        text.append(f"{_clock(timeline.began):<{_LABEL}}", label)
        self._append_markers(text, columns, accent)
        text.append(
            f"  {_clock(timeline.when(min(self._cursor, len(timeline)))):>{now_width}}", accent
        )
        return text

    def _append_markers(self, text: Text, columns: Sequence[int], under: Style) -> None:
        mark = self.get_component_rich_style("graph--mark")
        places = {self._place(columns, point): ("◆", mark) for point in self._marks}
        places[self._place(columns, self._cursor)] = ("▲", under)
        for column in range(len(columns)):
            text.append(*places.get(column, (" ", under)))

    @staticmethod
    def _place(columns: Sequence[int], point: int) -> int:
        """Return the column in which a point begins, or the nearest one where it has none."""
        return next((n for n, one in enumerate(columns) if one >= point), len(columns) - 1)


def _number(value: int) -> str:
    return f"{value:,}"


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when)) if when else ""


def _span(least: str, most: str) -> str:
    return "" if least == most else f"{least} … {most}"


def columns_of(timeline: Timeline, width: int) -> list[int]:
    """Return for each of `width` columns the point whose totals stand there.

    The columns share the time from the start to the last event evenly. Where events
    have come so fast that time does not part them, they share the columns themselves.
    """
    count = len(timeline) + 1
    times = [timeline.when(point) for point in range(count)]
    span = times[-1] - times[0]
    if span <= 0 or count == 1:
        return [min(count - 1, column * count // width) for column in range(width)]
    # The last one keeps some columns of its own, so that it is seen.
    end = times[0] + span * width / max(1, width - max(1, width // 12))
    columns, point = [], 0
    for column in range(width):
        now = times[0] + (end - times[0]) * (column + 1) / width
        while point + 1 < count and times[point + 1] <= now:
            point += 1
        columns.append(point)
    return columns


def curve(values: Sequence[int], height: int) -> list[str]:
    """Return values as `height` rows of blocks, from the least to the most of them."""
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

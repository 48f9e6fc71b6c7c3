"""How the panes of the dashboard share a wide terminal: in two columns, and a drawer below.

All sizes are in fortieths: of the width for the left column, of the height of its column for
the upper pane, and of the whole height for the drawer.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

WHOLE = 40
LEAST, MOST = 6, WHOLE - 6
STEP = 2


class Place(Enum):
    """Where a pane is."""

    TOP_LEFT = "top left"
    TOP_RIGHT = "top right"
    BOTTOM_LEFT = "bottom left"
    BOTTOM_RIGHT = "bottom right"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes.

    Attributes:
        left: the left column.
        top_left: the upper pane of the left column.
        top_right: the upper pane of the right column.
        below: the drawer, while it is open.
    """

    left: int = 20
    top_left: int = 24
    top_right: int = 16
    below: int = 15

    @property
    def is_valid(self) -> bool:
        """Whether every pane has some room."""
        sizes = (self.left, self.top_left, self.top_right, self.below)
        return all(type(size) is int and LEAST <= size <= MOST for size in sizes)


BALANCED, LOG = "balanced", "log"
LAYOUTS: Mapping[str, Layout] = {
    BALANCED: Layout(),
    "list": Layout(left=25, top_left=34),
    "symbols": Layout(left=15, top_right=10),
    LOG: Layout(below=24),
}
"""The layouts in the order in which the key goes through them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The layout as the rows of a grid, which has a row between any two edges of panes.

    Attributes:
        rows: the height of each row, in fortieths of fortieths.
        spans: the rows of each pane.
        order: the panes in the order in which they fill the grid, row by row.
    """

    rows: tuple[int, ...]
    spans: Mapping[Place, int]
    order: tuple[Place, ...]


def grid(layout: Layout, *, below: bool) -> Grid:
    """Return the grid of a layout, with the drawer or without it."""
    edges = sorted({0, layout.top_left, layout.top_right, WHOLE})
    share = WHOLE - layout.below if below else WHOLE
    rows = [share * (end - start) for start, end in itertools.pairwise(edges)]
    left, right = edges.index(layout.top_left), edges.index(layout.top_right)
    every = len(rows)
    lower = (Place.BOTTOM_LEFT, Place.BOTTOM_RIGHT)
    spans = {
        Place.TOP_LEFT: left,
        Place.TOP_RIGHT: right,
        Place.BOTTOM_LEFT: every - left,
        Place.BOTTOM_RIGHT: every - right,
        Place.BELOW: 1,
    }
    if below:
        rows.append(WHOLE * layout.below)
    order = lower if left <= right else lower[::-1]
    return Grid(tuple(rows), spans, (Place.TOP_LEFT, Place.TOP_RIGHT, *order, Place.BELOW))


def resized(layout: Layout, place: Place, *, wider: int = 0, taller: int = 0) -> Layout:
    """Return a layout with a pane made wider and taller by some steps, as far as there is room."""
    is_right = place in (Place.TOP_RIGHT, Place.BOTTOM_RIGHT)
    is_lower = place in (Place.BOTTOM_LEFT, Place.BOTTOM_RIGHT)
    if place is Place.BELOW:
        return replace(layout, below=_limited(layout.below + STEP * taller))
    left = _limited(layout.left + STEP * (-wider if is_right else wider))
    taller = -taller if is_lower else taller
    if is_right:
        return replace(layout, left=left, top_right=_limited(layout.top_right + STEP * taller))
    return replace(layout, left=left, top_left=_limited(layout.top_left + STEP * taller))


def _limited(size: int) -> int:
    return min(MOST, max(LEAST, size))

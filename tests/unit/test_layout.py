"""The sizes of panes: every layout fills the grid, and every pane keeps some room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kmodtui.model.layout import LAYOUTS, LEAST, MOST, WHOLE, Layout, Place, grid, resized

sizes = st.integers(LEAST, MOST)
layouts = st.builds(Layout, sizes, sizes, sizes, sizes)


def placed(layout: Layout, *, below: bool) -> dict[Place, tuple[int, int]]:
    """Return the first row and the end of each pane, as a grid fills its cells row by row."""
    shape = grid(layout, below=below)
    edges = [sum(shape.rows[:number]) for number in range(len(shape.rows) + 1)]
    next_row = [0, 0]
    found = {}
    for place in shape.order:
        if place is Place.BELOW:
            continue
        column = 0 if next_row[0] <= next_row[1] else 1
        start, end = next_row[column], next_row[column] + shape.spans[place]
        assert column == (0 if "left" in place.value else 1), place
        found[place], next_row[column] = (edges[start], edges[end]), end
    return found


@given(layouts, st.booleans())
def test_every_pane_is_in_its_column_with_its_height(layout: Layout, below: bool) -> None:
    assert layout.is_valid
    share = WHOLE - layout.below if below else WHOLE
    panes = placed(layout, below=below)
    assert panes[Place.TOP_LEFT] == (0, layout.top_left * share)
    assert panes[Place.BOTTOM_LEFT] == (layout.top_left * share, WHOLE * share)
    assert panes[Place.TOP_RIGHT] == (0, layout.top_right * share)
    assert panes[Place.BOTTOM_RIGHT] == (layout.top_right * share, WHOLE * share)
    assert sum(grid(layout, below=below).rows) == WHOLE * WHOLE


@given(layouts, st.sampled_from(Place), st.integers(-30, 30), st.integers(-30, 30))
def test_no_pane_loses_all_its_room(layout: Layout, place: Place, wider: int, taller: int) -> None:
    assert resized(layout, place, wider=wider, taller=taller).is_valid


def test_a_pane_grows_away_from_its_corner() -> None:
    layout = LAYOUTS["balanced"]
    assert resized(layout, Place.TOP_LEFT, wider=1).left > layout.left
    assert resized(layout, Place.BOTTOM_RIGHT, wider=1).left < layout.left
    assert resized(layout, Place.TOP_RIGHT, taller=1).top_right > layout.top_right
    assert resized(layout, Place.BOTTOM_LEFT, taller=1).top_left < layout.top_left
    assert resized(layout, Place.BELOW, taller=1).below > layout.below

"""PaneGrid: the container of the panes, which gives them their places and sizes."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Container

from kmodtui.model.layout import BALANCED, LAYOUTS, WHOLE, Layout, Place, grid
from kmodtui.ui.widgets.panes.pane import Pane


class PaneGrid(Container):
    """Two columns and a drawer below. On a narrow terminal the style sheet shows one pane.

    Attributes:
        layout_name: the name of the layout.
        sizes: the layout as the user has resized it.
    """

    def __init__(self, panes: Sequence[Pane]) -> None:
        super().__init__(*panes, id="panes")
        self._panes = {pane.entry.place: pane for pane in panes}
        self.layout_name = BALANCED
        self.sizes: Layout = LAYOUTS[BALANCED]

    def on_mount(self) -> None:
        """Give the panes their places."""
        self.place_panes()

    def use(self, name: str, sizes: Layout | None = None) -> None:
        """Use a layout, with sizes of its own or others."""
        self.layout_name, self.sizes = name, sizes or LAYOUTS[name]
        if self.is_mounted:
            self.place_panes()

    def place_panes(self) -> None:
        """Draw the panes with the sizes that are set, the drawer only if it is open."""
        below = self._panes[Place.BELOW].is_open
        shape = grid(self.sizes, below=below)
        self.styles.grid_size_rows = len(shape.rows)
        self.styles.grid_rows = " ".join(f"{height}fr" for height in shape.rows)
        self.styles.grid_columns = f"{self.sizes.left}fr {WHOLE - self.sizes.left}fr"
        for place, pane in self._panes.items():
            pane.styles.row_span = shape.spans[place]
        wanted = [self._panes[place] for place in shape.order]
        if list(self.children) != wanted:
            self.move_child(wanted[2], before=wanted[3])

"""The dependency pane: the dependencies or the dependents of the selected module."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from kmodtui.services.live import LiveSystem
from kmodtui.services.neighbours import Neighbours
from kmodtui.ui.commands import bindings, hint, hint_line
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle
from kmodtui.ui.widgets.panes.pane import Pane


class ModuleTree(Tree[str]):
    """Textual's tree with the keys of kmodtui; the data of a node is the module's name."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tree")]
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "


class TreePane(Pane):
    """A tree whose branches are computed when they are expanded."""

    class Chosen(Message):
        """Enter was pressed on a module: select it in the modules pane."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, entry: PaneEntry, live: LiveSystem) -> None:
        super().__init__(entry, live)
        self._tree: ModuleTree = ModuleTree("", id="module-tree")
        self._tree.show_root = True
        self._tree.guide_depth = 3
        self._tree.auto_expand = False
        self._edges = Neighbours(live.table, None)
        self._module: str | None = None
        self._shown: tuple[object, ...] = ()
        self.downwards = True

    def compose(self) -> ComposeResult:
        """Yield the tree."""
        yield self._tree

    def on_mount(self) -> None:
        """Follow the modules and the index."""
        subscribe(self.live.table_read, self._show_edges)
        subscribe(self.live.index_read, self._show_edges)
        self._show_edges(None)

    def _show_edges(self, _read: object) -> None:
        """Use the dependencies of now; the tree is rebuilt only where its part of them differs."""
        self._edges = Neighbours(self.live.table, self.live.machine.index_if_read)
        self._build()

    def show_module(self, name: str | None) -> None:
        """Show the dependencies of the selected module."""
        self._module = name
        self._build()

    def turn(self) -> None:
        """Switch between dependencies and dependents."""
        self.downwards = not self.downwards
        self._build()

    @property
    def edge(self) -> tuple[str | None, str]:
        """The link under the cursor, as importer and provider; on the root, the module alone."""
        node = self._tree.cursor_node
        if node is None or node.parent is None or not node.data or not node.parent.data:
            return self._module, ""
        inner, outer = node.data, node.parent.data
        return (outer, inner) if self.downwards else (inner, outer)

    def _neighbours(self, name: str) -> tuple[str, ...]:
        return (self._edges.needs if self.downwards else self._edges.users)(name)

    def _build(self) -> None:
        titles = ("Dependencies", "Dependents")
        title, other = titles if self.downwards else reversed(titles)
        self.set_name(title)
        set_subtitle(self, hint_line(hint("dashboard.direction", label=other.lower())))
        name = self._module
        if name is None:
            shown: tuple[object, ...] = ()
        else:
            shown = (name, self.downwards, self._fingerprint(name))
        if shown == self._shown and shown:
            return
        self._shown = shown
        tree = self._tree
        tree.clear()
        if name is None:
            tree.root.set_label(Text("Select a module to see its dependencies.", "dim"))
            tree.root.data = None
            tree.root.allow_expand = False
            tree.cursor_line = -1
            return
        neighbours = self._neighbours(name)
        tree.root.data = name
        tree.root.set_label(self._label(name))
        tree.root.allow_expand = True
        if neighbours:
            self._fill(tree.root)
        else:
            empty = "no dependencies" if self.downwards else "no dependents"
            tree.root.add_leaf(Text(empty, "dim italic"))
        tree.root.expand()
        tree.cursor_line = 0

    def _fingerprint(self, name: str) -> tuple[object, ...]:
        """Return everything that the tree shows, to compare it with what is shown now."""
        seen = {name: self._neighbours(name)}
        queue = [name]
        for module in queue:
            for neighbour in seen[module]:
                if neighbour not in seen:
                    seen[neighbour] = self._neighbours(neighbour)
                    queue.append(neighbour)
        loaded = self.live.table.by_name
        return tuple((module, seen[module], module in loaded) for module in seen)

    def _label(self, name: str) -> Text:
        module = self.live.table.by_name.get(name)
        label = Text(name, no_wrap=True)
        if module is None:
            label.append("  not loaded", "dim")
        return label

    def _fill(self, node: TreeNode[str]) -> None:
        ancestors = {node.data}
        parent = node.parent
        while parent is not None:
            ancestors.add(parent.data)
            parent = parent.parent
        for name in self._neighbours(node.data or ""):
            # A broken modules.dep can contain a cycle: stop where it closes.
            if name in ancestors:
                node.add_leaf(Text(f"{name}  (cycle)", "dim"), name)
            elif self._neighbours(name):
                node.add(self._label(name), name)
            else:
                node.add_leaf(self._label(name), name)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[str]) -> None:
        """Compute a branch the first time it is expanded."""
        event.stop()
        if not event.node.children:
            self._fill(event.node)

    def on_tree_node_selected(self, event: Tree.NodeSelected[str]) -> None:
        """Select the module."""
        event.stop()
        if event.node.data:
            self.post_message(self.Chosen(event.node.data))

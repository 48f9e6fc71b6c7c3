"""The dependency pane: the dependencies or the dependents of the selected module."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from kmodtui.model.modules import ModuleTable
from kmodtui.ui.commands import bindings
from kmodtui.ui.widgets.caption import set_subtitle, set_title

Neighbours = Callable[[str], tuple[str, ...]]


class ModuleTree(Tree[str]):
    """Textual's tree with the keys of kmodtui; the data of a node is the module's name."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tree")]
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "


class TreePane(Vertical):
    """A tree whose branches are computed when they are expanded."""

    class Chosen(Message):
        """Enter was pressed on a module: select it in the modules pane."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__(id="tree", classes="pane")
        self._tree: ModuleTree = ModuleTree("", id="module-tree")
        self._tree.show_root = True
        self._tree.guide_depth = 3
        self._tree.auto_expand = False
        self._dependencies: Neighbours = lambda _name: ()
        self._dependents: Neighbours = lambda _name: ()
        self._table = ModuleTable()
        self._module: str | None = None
        self._shown: tuple[object, ...] = ()
        self.downwards = True

    def compose(self) -> ComposeResult:
        """Yield the tree."""
        yield self._tree

    def on_mount(self) -> None:
        """Show the empty tree."""
        self._build()

    def show_edges(
        self, table: ModuleTable, dependencies: Neighbours, dependents: Neighbours
    ) -> None:
        """Take new dependencies; the tree is rebuilt only if they differ for its module."""
        self._table, self._dependencies, self._dependents = table, dependencies, dependents
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
        return (self._dependencies if self.downwards else self._dependents)(name)

    def _build(self) -> None:
        titles = ("Dependencies", "Dependents")
        title, other = titles if self.downwards else reversed(titles)
        set_title(self, f"2 {title}")
        set_subtitle(self, f"d: {other.lower()}")
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
        loaded = self._table.by_name
        return tuple((module, seen[module], module in loaded) for module in seen)

    def _label(self, name: str) -> Text:
        module = self._table.by_name.get(name)
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

"""The pane of dependencies: what the selected module needs, or what needs it."""

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
    """Textual's tree with the keys of kmodtui; a node's data is its module's name."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tree")]
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "


class TreePane(Vertical):
    """A tree whose branches are worked out when they are opened."""

    class Chosen(Message):
        """A module of the tree is to be selected in the modules pane."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__(id="tree", classes="pane")
        self._tree: ModuleTree = ModuleTree("", id="module-tree")
        self._tree.show_root = True
        self._tree.guide_depth = 3
        self._tree.auto_expand = False
        self._needs: Neighbours = lambda _name: ()
        self._users: Neighbours = lambda _name: ()
        self._table = ModuleTable()
        self._module: str | None = None
        self._shown: tuple[object, ...] = ()
        self.downwards = True

    def compose(self) -> ComposeResult:
        """Hold the tree, nothing else."""
        yield self._tree

    def on_mount(self) -> None:
        """Begin with the words of an empty pane."""
        self._build()

    def show_edges(self, table: ModuleTable, needs: Neighbours, users: Neighbours) -> None:
        """Take over who needs whom; the tree is built anew only if its module's part changed."""
        self._table, self._needs, self._users = table, needs, users
        self._build()

    def show_module(self, name: str | None) -> None:
        """Follow the selected module."""
        self._module = name
        self._build()

    def turn(self) -> None:
        """Show the other direction."""
        self.downwards = not self.downwards
        self._build()

    @property
    def edge(self) -> tuple[str | None, str]:
        """The module whose line the cursor is on and who it is joined to: user, then giver.

        Of the root it is the module alone.
        """
        node = self._tree.cursor_node
        if node is None or node.parent is None or not node.data or not node.parent.data:
            return self._module, ""
        inner, outer = node.data, node.parent.data
        return (outer, inner) if self.downwards else (inner, outer)

    def _neighbours(self, name: str) -> tuple[str, ...]:
        return (self._needs if self.downwards else self._users)(name)

    def _build(self) -> None:
        words, other = ("needs", "needed by") if self.downwards else ("needed by", "needs")
        set_title(self, f"2 Dependencies: {words}")
        set_subtitle(self, f"d: {other}")
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
            tree.root.set_label(Text("Select a module to see what it needs.", "dim"))
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
            nothing = "needs no other module" if self.downwards else "no module needs it"
            tree.root.add_leaf(Text(nothing, "dim italic"))
        tree.root.expand()
        tree.cursor_line = 0

    def _fingerprint(self, name: str) -> tuple[object, ...]:
        """Return what the visible tree depends on, as far as it reaches."""
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
            # A broken index can hold a cycle: it ends where it would begin again.
            if name in ancestors:
                node.add_leaf(Text(f"{name}  (again)", "dim"), name)
            elif self._neighbours(name):
                node.add(self._label(name), name)
            else:
                node.add_leaf(self._label(name), name)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[str]) -> None:
        """Work out a branch the first time it is opened."""
        event.stop()
        if not event.node.children:
            self._fill(event.node)

    def on_tree_node_selected(self, event: Tree.NodeSelected[str]) -> None:
        """Enter goes to the module."""
        event.stop()
        if event.node.data:
            self.post_message(self.Chosen(event.node.data))

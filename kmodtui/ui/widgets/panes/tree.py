"""The dependency pane: the dependencies or the dependents of the selected module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from kmodtui.model.document import DocumentRow
from kmodtui.services.live import LiveSystem
from kmodtui.services.neighbours import Neighbours
from kmodtui.ui.commands import bindings, hint, hint_line
from kmodtui.ui.hints import is_learned
from kmodtui.ui.panes import PaneEntry
from kmodtui.ui.subject import Subject, SubjectKind
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle
from kmodtui.ui.widgets.lines.view import RIGHT_BUTTON
from kmodtui.ui.widgets.panes.pane import Pane


class ModuleTree(Tree[str]):
    """Textual's tree with the keys of kmodtui; the data of a node is the module's name."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("tree")]
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "

    def subject(self) -> Subject | None:
        """Return the module under the cursor."""
        node = self.cursor_node
        if node is None or not node.data:
            return None
        return Subject(SubjectKind.MODULE, node.data, node.data)

    def action_enter(self) -> None:
        """Show what can be done with the module under the cursor."""
        from kmodtui.ui.menu_flow import open_menu

        if (subject := self.subject()) is not None:
            open_menu(self, subject, "tree.go")

    def document_rows(self) -> Iterator[DocumentRow]:
        """Yield the branches that are expanded, to be copied or saved."""
        queue = [(self.root, 0)]
        while queue:
            node, depth = queue.pop()
            yield DocumentRow("  " * depth + str(node.label))
            if node.is_expanded:
                queue += [(child, depth + 1) for child in reversed(node.children)]

    def current_row(self) -> DocumentRow | None:
        """Return the module under the cursor; None if there is none."""
        node = self.cursor_node
        if node is None or not node.data:
            return None
        return DocumentRow(str(node.label), {"name": node.data})

    def action_copy(self) -> None:
        """Copy the name of the module, its path or the tree."""
        from kmodtui.ui.copy_flow import start_copy

        start_copy(self)

    def action_save(self) -> None:
        """Save the tree to a file."""
        from kmodtui.ui.copy_flow import start_save

        start_save(self)

    def action_go(self) -> None:
        """Select the module in the modules pane."""
        self.action_select_cursor()

    async def on_click(self, event: events.Click) -> None:
        """Move the cursor; a double click goes to the module, the right button shows the menu.

        Textual would go to a module at the first click.
        """
        meta = event.style.meta
        if "line" not in meta or meta.get("toggle", False):
            return
        event.prevent_default()
        self.cursor_line = meta["line"]
        if event.button == RIGHT_BUTTON:
            self.action_enter()
        elif event.chain == 2:
            self.action_go()


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
        keys = hint_line(hint("dashboard.direction", label=other.lower()))
        set_subtitle(self, "" if is_learned(self, "dashboard.direction") else keys)
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

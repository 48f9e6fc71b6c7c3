"""The help screen: every key, from the registry, and what the letters mean."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from kmodtui.model.modules import TAINTS
from kmodtui.model.symbols import TYPE_WORDS
from kmodtui.ui.commands import CONTEXTS, in_context, key_words
from kmodtui.ui.widgets.caption import set_subtitle, set_title


class HelpScreen(ModalScreen[None]):
    """Two columns of words, to scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,question_mark,f1", "dismiss", "Close"),
        ("j", "scroll('down')", "Down"),
        ("k", "scroll('up')", "Up"),
    ]

    def compose(self) -> ComposeResult:
        """One long page in a frame."""
        with VerticalScroll(classes="dialog", id="help-dialog") as frame:
            set_title(frame, "kmodtui: keys and letters")
            set_subtitle(frame, "Esc: close")
            yield Static(self._page(), markup=False)

    def action_scroll(self, direction: str) -> None:
        """Scroll a line."""
        frame = self.query_one("#help-dialog", VerticalScroll)
        frame.scroll_relative(y=1 if direction == "down" else -1, animate=False)

    def _page(self) -> Table:
        colours = self.app.theme_variables
        key_style = colours.get("accent", "yellow")
        head_style = f"bold {colours.get('primary', 'cyan')}"
        dim = colours.get("dim", "grey50")
        page = Table.grid(padding=(0, 2), expand=True)
        page.add_column(no_wrap=True)
        page.add_column(ratio=1)

        def heading(words: str) -> None:
            page.add_row("", "")
            page.add_row(Text(""), Text(words, head_style))

        for context, words in CONTEXTS.items():
            heading(words)
            for command in in_context(context):
                keys = "  ".join(key_words(key) for key in command.keys)
                page.add_row(Text(keys, key_style), Text(command.help))
        heading("The last words of the header")
        for name, words in _PRIVILEGE:
            page.add_row(Text(name, key_style), Text(words))
        heading("The columns of the modules pane")
        for name, words in _COLUMNS:
            page.add_row(Text(name, key_style), Text(words))
        heading("The lines of the kernel's log")
        for name, words in _LOG:
            page.add_row(Text(name, key_style), Text(words))
        heading("The type letters of /proc/kallsyms")
        for letter, words in TYPE_WORDS.items():
            page.add_row(Text(letter, key_style), Text(words))
        page.add_row(
            "",
            Text(
                "In a module, an upper-case letter marks EXPORT_SYMBOL; a symbol exported "
                "with EXPORT_SYMBOL_GPL stays lower case. Addresses are zero where the kernel "
                "hides them (kptr_restrict, perf_event_paranoid); names compare all the same.",
                dim,
            ),
        )
        heading("The taint letters")
        for letter, words in TAINTS.items():
            page.add_row(Text(letter, key_style), Text(words))
        return page


_PRIVILEGE = (
    ("helper: locked", "no root is held: what needs it starts the helper, by sudo or another way"),
    ("… (idle)", "it has ended, because nothing was asked of it for a while"),
    ("… (ended)", "it has ended unasked: something killed it, or it failed"),
    ("helper: sudo", "a helper holds root, had by that way, until D, leaving or a while idle"),
    ("read-only", "there is no root to be had, or none is wanted: changes are refused"),
    ("running as root", "kmodtui itself has root, which it never needs; said beside the others"),
)

_COLUMNS = (
    ("size", "memory of the module, as /proc/modules has it"),
    ("refs", "reference count: the modules that use it, and mounts, files, devices, sockets"),
    ("state", "Live, Loading (its init runs), Unloading (its exit runs)"),
    ("taint", "what this module did to the kernel's taint"),
    ("used by", "modules that hold a reference; +N counts references of other kinds"),
    ("*", "marked with Space, for a plan of several"),
    ("●", "has come while you were looking, and was not looked at yet"),
)

_LOG = (
    ("[   91.823344]", "seconds since boot, as dmesg has them"),
    ("err", "errors and worse: emerg, alert, crit, err"),
    ("warn", "warnings; what is milder is notice, info or debug"),
    ("●", "has come since the drawer was opened"),
)

"""The help screen: all keys, from the registry, and what columns and flags mean."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import BindingType

from kmodtui.model.modules import TAINTS
from kmodtui.model.symbols.table import TYPE_WORDS
from kmodtui.ui.commands import CONTEXTS, bindings_of, in_context, key_of
from kmodtui.ui.dialogs.page import PageDialog
from kmodtui.ui.key_names import key_words


class HelpScreen(PageDialog):
    """Two columns: a key or sign, and what it does or means."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dashboard.help", action="close")]

    def __init__(self) -> None:
        super().__init__("kmodtui: keys, columns and flags", "help-dialog")

    def on_mount(self) -> None:
        """Show the page."""
        self.body.update(self._page())

    def _page(self) -> Table:
        colours = self.app.theme_variables
        key_style = colours.get("accent", "yellow")
        head_style = f"bold {colours.get('primary', 'cyan')}"
        dim = colours.get("dim", "grey50")
        page = Table.grid(padding=(0, 2), expand=True)
        page.add_column(no_wrap=True)
        page.add_column(ratio=1)

        def heading(title: str) -> None:
            page.add_row("", "")
            page.add_row(Text(""), Text(title, head_style))

        for context, title in CONTEXTS.items():
            heading(title)
            for command in in_context(context):
                keys = "  ".join(key_words(key) for key in command.keys)
                page.add_row(Text(keys, key_style), Text(command.help))
        heading("Root privileges, at the end of the header")
        for name, words in _PRIVILEGE:
            page.add_row(Text(name, key_style), Text(words))
        heading("Columns and signs of the modules pane")
        for name, words in _COLUMNS:
            page.add_row(Text(name, key_style), Text(words))
        heading("Kernel log")
        for name, words in _LOG:
            page.add_row(Text(name, key_style), Text(words))
        heading("Symbol types of /proc/kallsyms")
        for letter, words in TYPE_WORDS.items():
            page.add_row(Text(letter, key_style), Text(words))
        page.add_row(
            "",
            Text(
                "In a module, upper case means EXPORT_SYMBOL; a symbol exported with "
                "EXPORT_SYMBOL_GPL stays lower case. Addresses are zero if the kernel hides "
                "them (kptr_restrict, perf_event_paranoid); names are compared nevertheless.",
                dim,
            ),
        )
        heading("Taint flags")
        for letter, words in TAINTS.items():
            page.add_row(Text(letter, key_style), Text(words))
        return page


_PRIVILEGE = (
    ("root: off", "no root privileges; a change starts the helper, with sudo or another program"),
    (
        "root: reading (sudo)",
        "the helper runs as root, but can only read hidden addresses and the kernel log",
    ),
    (
        "root: on (sudo)",
        f"the helper runs as root, started through sudo; {key_of('dashboard.drop_root')} ends it",
    ),
    ("root: denied", "no way to get root privileges was found: no changes"),
    ("read-only", "started with --read-only, or showing a captured tree: no changes"),
    ("(idle)", "the helper exited because it had no request for a while"),
    ("(helper exited)", "the helper exited unexpectedly: it failed or was killed"),
    ("(unexpected answer)", "ended because another program may have used the connection"),
    ("running as root", "kmodtui itself runs as root, which it does not need"),
)

_COLUMNS = (
    ("size", "memory used by the module, from /proc/modules"),
    ("refs", "reference count: modules that use it, mounts, open files, devices, sockets"),
    ("state", "Live, Loading (its init function runs), Unloading (its exit function runs)"),
    ("taint", "taint flags that the module has set"),
    ("used by", "modules that hold a reference; +N counts other references"),
    ("*", f"marked with {key_of('modules.mark')}, for a plan of several modules"),
    ("●", "loaded while kmodtui was running, and not selected since"),
)

_LOG = (
    ("[   91.823344]", "seconds since boot, as in dmesg"),
    ("err", "errors and worse: emerg, alert, crit, err"),
    ("warn", "warnings; the levels below are notice, info and debug"),
    ("●", "logged after the log was opened"),
)

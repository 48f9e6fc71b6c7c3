"""The legend: what each letter means, and the questions that everybody asks once."""

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
from kmodtui.ui.widgets.caption import set_subtitle, set_title

TYPES = {
    "t": "functions: the code (text)",
    "d": "data: variables that begin with a value",
    "b": "bss: variables that begin as zero, which cost nothing in the file",
    "r": "read-only data: constants, tables of exports, strings",
    "w": "weak function: another definition would replace it",
    "v": "weak object: likewise, for data",
    "a": "absolute: a number and no address, and per-CPU variables",
    "u": "undefined: taken from elsewhere; seen only while a module is Loading",
    "i": "indirect function: chosen by the processor at start",
    "g": "small data",
    "s": "small bss",
    "n": "debug",
    "c": "common",
    "?": "unknown",
}
"""Type letters for somebody who sees them for the first time, the frequent ones first."""

QUESTIONS = (
    (
        "What kallsyms is",
        "The name stands for “kernel: all symbols”. /proc/kallsyms lists every function and "
        "variable that the kernel knows by name, its own and those of the modules that are "
        "loaded: an address, a type letter, a name, and [module]. Loading a module adds its "
        "symbols, unloading takes them away. The same table names the functions in an oops.",
    ),
    (
        "Upper and lower case",
        "In the kernel itself an upper-case letter is a symbol that other files of the kernel "
        "may use (global), as nm has it. In a module it marks EXPORT_SYMBOL, and nothing else: "
        "what is exported with EXPORT_SYMBOL_GPL stays lower case, because the kernel looks in "
        "the table of exports for everyone only. The row __ksymtab_NAME beside it tells that it "
        "is exported all the same; kmodtui shows both.",
    ),
    (
        "Why addresses are zero",
        "An address would tell where this kernel was put in memory (KASLR), which helps an "
        "attacker. kernel.kptr_restrict decides: 0 shows addresses to whoever may profile the "
        "kernel (kernel.perf_event_paranoid at most 1) or has CAP_SYSLOG, 1 to CAP_SYSLOG alone, "
        "2 to nobody. It is decided when the file is opened. Names always show, so changes are "
        "exact without addresses. A reads them through the helper.",
    ),
    (
        "Names that are there twice",
        "Names need not be unique: __func__.7, _note_10 and static functions of different files "
        "are there several times. They are counted (×2), never merged.",
    ),
    (
        "[bpf] and [__builtin__ftrace]",
        "In brackets like modules, but none: compiled BPF programs and trampolines of tracing. "
        "They come and go by themselves and belong to no change.",
    ),
)


class LegendScreen(ModalScreen[None]):
    """One page to scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,a,f2", "dismiss", "Close"),
        ("j,down", "scroll(1)", "Down"),
        ("k,up", "scroll(-1)", "Up"),
    ]

    def compose(self) -> ComposeResult:
        """Letters on top, questions below."""
        with VerticalScroll(classes="dialog", id="legend-dialog") as frame:
            set_title(frame, "What the letters mean")
            set_subtitle(frame, "j k scroll · Esc close")
            yield Static(self._page(), markup=False)

    def action_scroll(self, lines: int) -> None:
        """Scroll."""
        self.query_one("#legend-dialog", VerticalScroll).scroll_relative(y=lines, animate=False)

    def _page(self) -> Table:
        colours = self.app.theme_variables
        letter_style = f"bold {colours.get('accent', 'yellow')}"
        head_style = f"bold {colours.get('primary', 'cyan')}"
        page = Table.grid(padding=(0, 2), expand=True)
        page.add_column(no_wrap=True, min_width=3)
        page.add_column(ratio=1)
        page.add_row("", Text("Type letters of /proc/kallsyms", head_style))
        for letter in (*TYPES, *(TYPE_WORDS.keys() - TYPES.keys())):
            page.add_row(Text(letter, letter_style), Text(TYPES.get(letter, TYPE_WORDS[letter])))
        for head, words in QUESTIONS:
            page.add_row("", "")
            page.add_row("", Text(head, head_style))
            page.add_row("", Text(words))
        page.add_row("", "")
        page.add_row("", Text("Taint letters, of modules and of the kernel", head_style))
        for letter, words in TAINTS.items():
            page.add_row(Text(letter, letter_style), Text(words))
        page.add_row("", "")
        page.add_row("", Text("They stay until the next boot; + and - mean coming and going."))
        return page

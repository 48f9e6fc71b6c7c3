"""The legend: symbol types, signs and taint flags, and answers to frequent questions."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import BindingType

from kmodtui.model.modules import TAINTS
from kmodtui.model.symbols.table import TYPE_WORDS
from kmodtui.ui.commands import bindings_of, key_of
from kmodtui.ui.dialogs.page import PageDialog
from kmodtui.ui.themes import ink

TYPES = {
    "t": "function (text: code)",
    "d": "initialized data: variables with a starting value",
    "b": "uninitialized data (bss): variables that start as zero and take no space in the file",
    "r": "read-only data: constants, strings, export tables",
    "w": "weak function: another definition takes precedence over it",
    "v": "weak object: the same for data",
    "a": "absolute: a value rather than an address; also per-CPU variables",
    "u": "undefined: imported from elsewhere; seen only while a module is Loading",
    "i": "indirect function: the implementation is chosen at startup",
    "g": "small initialized data",
    "s": "small uninitialized data (bss)",
    "n": "debugging symbol",
    "c": "common: uninitialized data that several files may define",
    "?": "unknown",
}
"""Symbol types in words for a newcomer, the most frequent first; from nm(1)."""

SIGNS = (
    ("+", "loaded (module), added (symbol)"),
    ("−", "unloaded (module), removed (symbol)"),
    ("↻", "reloaded: unloaded and loaded again between two reads"),
    ("±", "a module: loaded and unloaded again between two reads"),
    ("±12", "symbols were added and others removed, at most 12 of each"),
    ("=", "stays loaded although a module that used it was unloaded"),
    ("×2", "the same name twice"),
    ("●", "new since you last looked"),
    ("* ◆", f"marked with {key_of('modules.mark')}: a module, an event or a snapshot"),
    ("▸ ▾", f"collapsed, expanded ({key_of('lines.open')})"),
)
"""Signs of the lists, in words."""

TAINT_FLAGS = {
    "P": "a module with a proprietary licence was loaded",
    "F": "a module was loaded by force (modprobe --force)",
    "S": "the CPU is used outside its specification",
    "R": "a module was unloaded by force (rmmod --force)",
    "M": "the processor reported a machine check exception (hardware error)",
    "B": "a bad page reference or unexpected page flags were found",
    "U": "set from user space, on request",
    "D": "the kernel died: an oops or BUG occurred",
    "A": "an ACPI table was overridden",
    "W": "the kernel issued a warning (WARN_ON)",
    "C": "a driver from the staging tree was loaded",
    "I": "a bug in the firmware is being worked around",
    "O": "an out-of-tree module was loaded, one that is not part of the kernel source",
    "E": "an unsigned module was loaded on a kernel that checks signatures",
    "L": "a soft lockup occurred: a CPU was stuck for a long time",
    "K": "the kernel was live patched",
    "X": "auxiliary: its meaning is defined by the distribution",
    "T": "the kernel was built with randomized structure layout",
    "N": "an in-kernel test (KUnit) was run",
    "J": "a firmware debug operation was used (fwctl)",
}
"""Taint flags in words; from Documentation/admin-guide/tainted-kernels.rst of the kernel."""

QUESTIONS = (
    (
        "What kallsyms is",
        "The name stands for “kernel: all symbols”. /proc/kallsyms lists every function and "
        "variable that the kernel knows by name, its own and those of loaded modules: address, "
        "type, name and [module]. Loading a module adds its symbols, unloading removes them. "
        "The same table names the functions in an oops.",
    ),
    (
        "Upper and lower case",
        "In the kernel itself, upper case means that other files of the kernel may use the "
        "symbol (global), as in nm. In a module it means EXPORT_SYMBOL and nothing else: "
        "symbols exported with EXPORT_SYMBOL_GPL stay lower case, because the kernel only looks "
        "in the table of EXPORT_SYMBOL. The symbol __ksymtab_NAME shows that NAME is exported "
        "nevertheless; kmodtui reports both.",
    ),
    (
        "Why addresses are zero",
        "An address would reveal where the kernel is in memory (KASLR), which helps an attacker. "
        "kernel.kptr_restrict decides: 0 shows addresses to users who may profile the kernel "
        "(kernel.perf_event_paranoid at most 1) or have CAP_SYSLOG, 1 only to users with "
        "CAP_SYSLOG, 2 to nobody. This is decided when the file is opened. Names are always "
        "shown, so symbols can be compared without addresses. "
        f"{key_of('dashboard.addresses')} reads addresses through the helper.",
    ),
    (
        "Duplicate names",
        "Names need not be unique: __func__.7, _note_10 and static functions of different files "
        "occur several times. They are counted (×2), never merged.",
    ),
    (
        "[bpf] and [__builtin__ftrace]",
        "Shown in brackets like modules, but they are not modules: compiled BPF programs and "
        "ftrace trampolines. They appear and disappear on their own and are never part of a "
        "change.",
    ),
)


class LegendScreen(PageDialog):
    """Types, signs, questions and flags, one after the other."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("dashboard.legend", action="close")]

    def __init__(self) -> None:
        super().__init__("Legend: types, signs, flags", "legend-dialog")

    def on_mount(self) -> None:
        """Show the page."""
        self.body.update(self._page())

    def _page(self) -> Table:
        letter_style = f"bold {ink(self, 'accent')}"
        head_style = f"bold {ink(self, 'primary')}"
        page = Table.grid(padding=(0, 2), expand=True)
        page.add_column(no_wrap=True, min_width=3)
        page.add_column(ratio=1)

        def heading(title: str) -> None:
            page.add_row("", Text(title, head_style))

        heading("Symbol types of /proc/kallsyms")
        for letter in (*TYPES, *(TYPE_WORDS.keys() - TYPES.keys())):
            page.add_row(Text(letter, letter_style), Text(TYPES.get(letter, TYPE_WORDS[letter])))
        page.add_row("", "")
        heading("Signs")
        for sign, words in SIGNS:
            page.add_row(Text(sign, letter_style), Text(words))
        for question, answer in QUESTIONS:
            page.add_row("", "")
            heading(question)
            page.add_row("", Text(answer))
        page.add_row("", "")
        heading("Taint flags of modules and of the kernel")
        for flag in TAINTS:
            page.add_row(Text(flag, letter_style), Text(TAINT_FLAGS.get(flag, TAINTS[flag])))
        page.add_row("", "")
        page.add_row(
            "",
            Text(
                "The header shows the flags of the kernel. A flag stays set until reboot, even "
                "after the module that caused it was unloaded; a new flag means that one of these "
                "events has just happened. In /proc/modules, + or - after the flags means that "
                "the module is being loaded or unloaded."
            ),
        )
        return page

"""The screen for a kernel without loadable modules: why, what still works, and the demo."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from kmodtui.model.filter.fields import FilterKind
from kmodtui.model.symbols.table import NO_ROWS, SymbolTable
from kmodtui.model.text import counted
from kmodtui.services.live import LiveSystem
from kmodtui.ui.commands import bindings, key_of
from kmodtui.ui.dialogs.help import open_help
from kmodtui.ui.dialogs.legend import LegendScreen
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.screens.browser import BrowserScreen
from kmodtui.ui.subscription import subscribe
from kmodtui.ui.widgets.caption import set_subtitle, set_title
from kmodtui.ui.widgets.filter_bar import FilterBar
from kmodtui.ui.widgets.header_line import HeaderLine
from kmodtui.ui.widgets.key_line import KeyLine
from kmodtui.ui.widgets.symbol_browser import SymbolBrowser

WHY = f"""\
This kernel has no loadable modules: /proc/modules does not exist.

Either the kernel was built without CONFIG_MODULES, so that all drivers are built in, or \
kmodtui runs in a container, micro-VM or gVisor sandbox that hides the file or has no modules. \
Run it on the host to see the modules.

What still works: the symbols of the kernel itself, below.
{key_of("barren.demo")} opens the demo: a recorded Debian system with a simulated kernel that \
loads modules.\
"""


class NoModulesScreen(KmodtuiScreen[None]):
    """The reason on top, the symbols of the kernel below."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("barren")]
    AUTO_FOCUS = "#symbol-browser"

    def __init__(self, live: LiveSystem) -> None:
        super().__init__()
        self._live = live
        self._browser = SymbolBrowser()
        self._frame = Vertical(classes="pane", id="symbols")
        self._filter = FilterBar(self._apply_filter, FilterKind.SYMBOLS)

    def compose(self) -> ComposeResult:
        """Lay out the header, the reason, the symbols and the keys."""
        yield HeaderLine(self._live)
        yield Static(WHY, id="why", markup=False)
        with self._frame:
            yield self._browser
        yield self._filter
        yield KeyLine("barren")

    def on_mount(self) -> None:
        """Show the header, and start reading the symbols."""
        subscribe(self._live.symbols_read, self._show)
        set_title(self._frame, "Symbols of the kernel")
        self._browser.show_rows(NO_ROWS, "Reading /proc/kallsyms…")
        self.work(self._read, "symbols")

    async def _read(self) -> None:
        await self._live.read_symbols()
        if self._live.symbols is None:
            self._browser.show_rows(NO_ROWS, self._live.symbols_problem)

    def _show(self, table: SymbolTable) -> None:
        self._browser.show_rows(
            table.core, "/proc/kallsyms is empty: the kernel hides the symbols."
        )
        self._caption()

    def _caption(self) -> None:
        words = counted(self._browser.total, "symbol")
        if self._browser.filter_text:
            words = f"/{self._browser.filter_text} · {self._browser.line_count():,} of {words}"
        symbols = self._live.symbols
        hidden = symbols is not None and symbols.addresses_hidden
        set_subtitle(self._frame, words + (", addresses hidden" if hidden else ""))

    def action_filter(self) -> None:
        """Open the filter."""
        self._filter.open("symbols", self._browser.filter_text)

    def _apply_filter(self, text: str) -> None:
        self._browser.filter_text = text
        self._caption()

    def action_back(self) -> None:
        """Clear the filter."""
        self._apply_filter("")

    def action_browser(self) -> None:
        """Open the symbol browser."""
        self.app.push_screen(BrowserScreen(self._live))

    def action_doctor(self) -> None:
        """Examine the system."""
        from kmodtui.ui.screens.doctor import DoctorScreen

        self.app.push_screen(DoctorScreen(self._live))

    def action_legend(self) -> None:
        """Open the legend."""
        self.app.push_screen(LegendScreen())

    def on_symbol_browser_counted(self) -> None:
        """Show the number of matches."""
        self._caption()

    def action_demo(self) -> None:
        """Exit with the result `demo`, which opens the demo instead of this machine."""
        self.app.exit("demo")

    def action_help(self) -> None:
        """Open the help."""
        open_help(self)

    def action_quit(self) -> None:
        """Quit."""
        self.app.exit()

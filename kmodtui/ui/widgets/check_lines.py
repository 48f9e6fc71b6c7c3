"""The check of a module file, line by line: the verdict first, then each finding."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.check import KERNEL, NOT_KNOWN, Check, Finding, Mark, Verdict
from kmodtui.model.text import counted
from kmodtui.model.vermagic import Word
from kmodtui.ui.widgets.line_view import Line, LineView, fit, wrapped

SHOWN = 5
"""Lines of a finding that are shown while it is folded."""

_TOPIC_WIDTH = 11
_INDENT = 3 + _TOPIC_WIDTH + 1

_SIGNS = {
    Mark.FINE: ("✓", "good"),
    Mark.NOTE: ("·", "dim"),
    Mark.REFUSES: ("✗", "bad"),
    Mark.UNKNOWN: ("?", "warn"),
}
_GIVERS = {
    "": "from nobody",
    KERNEL: "from the kernel itself",
    NOT_KNOWN: "from the kernel, or from nobody",
}
_VERDICT_STYLES = {Verdict.LOADS: "good", Verdict.REFUSED: "bad", Verdict.UNKNOWN: "warn"}


class CheckLines(LineView):
    """What was found; a finding about many symbols unfolds."""

    def __init__(self) -> None:
        super().__init__(id="check-lines")
        self.empty_text = "Reading the file, and what this kernel is like…"
        self._check: Check | None = None
        self._unfolded: set[int] = set()
        self._lines: list[tuple[Line, int]] = []
        self._width = 0

    def show_check(self, check: Check) -> None:
        """Show a check."""
        self._check = check
        self._unfolded.clear()
        self._arrange()

    def show_failure(self, words: str) -> None:
        """Say why there is nothing to show."""
        self.empty_text = words
        self.lines_changed()

    def _arrange(self) -> None:
        check = self._check
        if check is None:
            return
        self._width = self.line_width
        style = _VERDICT_STYLES[check.verdict]
        lines: list[tuple[Line, int]] = [
            (((f" {text}", style),), -1) for text in self._broken(check.sentence, 1)
        ]
        if check.errno:
            lines.append((((f" The kernel would answer {check.errno}.", "dim"),), -1))
        remedies = dict.fromkeys(finding.remedy for finding in check.because if finding.remedy)
        lines += [
            (((f" {text}", ""),), -1) for remedy in remedies for text in self._broken(remedy, 1)
        ]
        lines.append(((), -1))
        for number, finding in enumerate(check.findings):
            lines += [(line, number) for line in self._finding(finding, number, check)]
        if check.givers:
            lines += [((), -1), (((" Symbols that it takes", "strong"),), -1)]
        for number, giver in enumerate(check.givers, len(check.findings)):
            lines += [(line, number) for line in self._giver(giver, number, check)]
        self._lines = lines
        self.lines_changed()

    def _finding(self, finding: Finding, number: int, check: Check) -> Iterator[Line]:
        sign, style = _SIGNS[finding.mark]
        strong = "" if finding.mark in (Mark.FINE, Mark.NOTE) else style
        head, *rest = self._broken(finding.text, _INDENT)
        yield ((f" {sign} ", style), (fit(finding.topic, _TOPIC_WIDTH + 1), "info"), (head, strong))
        for text in rest:
            yield ((" " * _INDENT + text, strong),)
        if finding.topic == "vermagic" and finding.lines and check.vermagic:
            yield self._words("file", check.vermagic.module)
            yield self._words("kernel", check.vermagic.kernel)
            return
        shown = finding.lines if number in self._unfolded else finding.lines[:SHOWN]
        for text in shown:
            yield ((" " * _INDENT + text, "dim"),)
        if more := len(finding.lines) - len(shown):
            yield ((" " * _INDENT + f"▸ {more:,} more", "accent"),)

    def _giver(self, giver: str, number: int, check: Check) -> Iterator[Line]:
        taken = check.givers[giver]
        opened = number in self._unfolded
        title = _GIVERS.get(giver, f"from {giver}")
        style = {"": "bad", NOT_KNOWN: "warn"}.get(giver, "accent")
        yield (
            (f" {'▾' if opened else '▸'} ", "dim"),
            (fit(title, 32), style),
            (f"  {counted(len(taken), 'symbol')}", "dim"),
        )
        for symbol in taken if opened else ():
            sign, style = _SIGNS[symbol.mark]
            more = "  can do without" if symbol.weak else ""
            yield ((f"   {sign} ", style), (symbol.name, ""), (f"  {symbol.words}{more}", "dim"))

    def _words(self, label: str, words: tuple[Word, ...]) -> Line:
        parts = [(" " * _INDENT + fit(label, 7), "dim")]
        # Brackets as well as a colour: a colour alone says nothing to some.
        parts += [
            (f"[{word.text}] ", "bad") if word.differs else (f"{word.text} ", "dim")
            for word in words
        ]
        return tuple(parts)

    def _broken(self, text: str, indent: int) -> list[str]:
        return wrapped(text, max(20, self.line_width - indent))

    # For LineView

    def line_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  broken to it before
        """Return a line of the page."""
        return self._lines[index][0]

    def action_open_line(self) -> None:
        """Unfold or fold the finding that the cursor is in."""
        if self._lines and (number := self._lines[self.cursor][1]) >= 0:
            self._unfolded ^= {number}
            self._arrange()

    def on_resize(self) -> None:
        """Break the sentences to the new width."""
        if self.line_width != self._width:
            self._arrange()
        super().on_resize()

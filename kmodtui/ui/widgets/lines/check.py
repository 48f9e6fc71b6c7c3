"""The result of checking a module file, line by line: the verdict, then each finding."""

from __future__ import annotations

from collections.abc import Iterator

from kmodtui.model.check.check import KERNEL, UNKNOWN, Check, Finding, Mark, Verdict
from kmodtui.model.check.vermagic import Word
from kmodtui.model.text import counted
from kmodtui.ui.widgets.lines.view import Line, LineView, fit, wrapped

COLLAPSED_LINES = 5
"""Number of lines that a collapsed finding shows."""

_TOPIC_WIDTH = 11
_INDENT = 3 + _TOPIC_WIDTH + 1

_SIGNS = {
    Mark.FINE: ("✓", "good"),
    Mark.NOTE: ("·", "dim"),
    Mark.REFUSES: ("✗", "bad"),
    Mark.UNKNOWN: ("?", "warn"),
}
_PROVIDER_TITLES = {
    "": "unresolved",
    KERNEL: "from the kernel itself",
    UNKNOWN: "from the kernel, or unresolved",
}
_VERDICT_STYLES = {Verdict.LOADS: "good", Verdict.REFUSED: "bad", Verdict.UNKNOWN: "warn"}


class CheckLines(LineView):
    """The verdict and the findings; a finding about many symbols can be expanded."""

    def __init__(self) -> None:
        super().__init__(id="check-lines")
        self.empty_text = "Reading the file and the facts about this kernel…"
        self._check: Check | None = None
        self._expanded: set[int] = set()
        self._lines: list[tuple[Line, int]] = []
        self._width = 0

    def show_check(self, check: Check) -> None:
        """Show the result of a check."""
        self._check = check
        self._expanded.clear()
        self._build()

    def show_failure(self, reason: str) -> None:
        """Show why there is no result."""
        self.empty_text = reason
        self.lines_changed()

    def _build(self) -> None:
        check = self._check
        if check is None:
            return
        self._width = self.line_width
        style = _VERDICT_STYLES[check.verdict]
        lines: list[tuple[Line, int]] = [
            (((f" {text}", style),), -1) for text in self._wrapped(check.sentence, 1)
        ]
        if check.errno:
            lines.append((((f" The kernel would return {check.errno}.", "dim"),), -1))
        remedies = dict.fromkeys(finding.remedy for finding in check.because if finding.remedy)
        lines += [
            (((f" {text}", ""),), -1) for remedy in remedies for text in self._wrapped(remedy, 1)
        ]
        lines.append(((), -1))
        for number, finding in enumerate(check.findings):
            lines += [(line, number) for line in self._finding(finding, number, check)]
        if check.providers:
            lines += [((), -1), (((" Imported symbols", "strong"),), -1)]
        for number, provider in enumerate(check.providers, len(check.findings)):
            lines += [(line, number) for line in self._provider(provider, number, check)]
        self._lines = lines
        self.lines_changed()

    def _finding(self, finding: Finding, number: int, check: Check) -> Iterator[Line]:
        sign, style = _SIGNS[finding.mark]
        strong = "" if finding.mark in (Mark.FINE, Mark.NOTE) else style
        head, *rest = self._wrapped(finding.text, _INDENT)
        yield ((f" {sign} ", style), (fit(finding.topic, _TOPIC_WIDTH + 1), "info"), (head, strong))
        for text in rest:
            yield ((" " * _INDENT + text, strong),)
        if finding.topic == "vermagic" and finding.lines and check.vermagic:
            yield self._vermagic("file", check.vermagic.module)
            yield self._vermagic("kernel", check.vermagic.kernel)
            return
        shown = finding.lines if number in self._expanded else finding.lines[:COLLAPSED_LINES]
        for text in shown:
            yield ((" " * _INDENT + text, "dim"),)
        if more := len(finding.lines) - len(shown):
            yield ((" " * _INDENT + f"▸ {more:,} more", "accent"),)

    def _provider(self, provider: str, number: int, check: Check) -> Iterator[Line]:
        imports = check.providers[provider]
        expanded = number in self._expanded
        title = _PROVIDER_TITLES.get(provider, f"from {provider}")
        style = {"": "bad", UNKNOWN: "warn"}.get(provider, "accent")
        yield (
            (f" {'▾' if expanded else '▸'} ", "dim"),
            (fit(title, 32), style),
            (f"  {counted(len(imports), 'symbol')}", "dim"),
        )
        for symbol in imports if expanded else ():
            sign, style = _SIGNS[symbol.mark]
            more = "  optional (weak)" if symbol.weak else ""
            yield ((f"   {sign} ", style), (symbol.name, ""), (f"  {symbol.words}{more}", "dim"))

    def _vermagic(self, label: str, words: tuple[Word, ...]) -> Line:
        parts = [(" " * _INDENT + fit(label, 7), "dim")]
        # Brackets as well as a colour: not everybody can see colours.
        parts += [
            (f"[{word.text}] ", "bad") if word.differs else (f"{word.text} ", "dim")
            for word in words
        ]
        return tuple(parts)

    def _wrapped(self, text: str, indent: int) -> list[str]:
        return wrapped(text, max(20, self.line_width - indent))

    # For LineView

    def line_count(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Line:  # noqa: ARG002  wrapped to it beforehand
        """Return a line of the result."""
        return self._lines[index][0]

    def action_open_line(self) -> None:
        """Expand or collapse the finding under the cursor."""
        if self._lines and (number := self._lines[self.cursor][1]) >= 0:
            self._expanded ^= {number}
            self._build()

    def on_resize(self) -> None:
        """Wrap the sentences to the new width."""
        if self.line_width != self._width:
            self._build()
        super().on_resize()

"""The parameter form: a module's parameters, their values, and the resulting command.

Letters go to the input line below the list, which edits the parameter under the cursor;
the arrow keys select another parameter. The form changes nothing itself, it returns the
typed values.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from kmodtui.errors import KmodtuiError
from kmodtui.model.parameters import (
    FormParameter,
    assignments,
    kept_values,
    problems,
    same_value,
    split_assignment,
    type_words,
)
from kmodtui.model.plan.plan import PlanCommand
from kmodtui.model.plan.reload import reload_lines
from kmodtui.model.plan.verb import Verb
from kmodtui.model.text import clean, counted
from kmodtui.services.machine import Machine
from kmodtui.services.parameters import read_form
from kmodtui.ui.commands import Hint, bindings, bindings_of, hint, key_of
from kmodtui.ui.dialogs.dialog import Dialog
from kmodtui.ui.widgets.caption import set_title
from kmodtui.ui.widgets.input_line import InputLine
from kmodtui.ui.widgets.lines.parameters import OTHER, ParameterLines, Purpose, column_widths
from kmodtui.ui.widgets.lines.view import fit, wrapped

_AROUND_THE_LIST = 13  # rows of everything in the dialog but the list


class ParameterForm(Dialog[tuple[str, ...] | None]):
    """Shows types, defaults, configured and current values of parameters, and edits them.

    Returns the `key=value` arguments to pass, an empty tuple for none; None if it was
    cancelled. For `Purpose.CHANGE` these are the values that differ from the current ones;
    `needs_reload` says whether one of them can only be set by loading the module.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of("dialog.cancel"),
        *bindings("form"),
    ]

    takes_text = True

    def __init__(
        self,
        machine: Machine,
        name: str,
        given: tuple[str, ...] = (),
        purpose: Purpose = Purpose.LOAD,
    ) -> None:
        """Create the form.

        Args:
            machine: the machine that has the module.
            name: the name of the module, not an alias.
            given: initial values as `key=value`; for a reload, those that the module was
                loaded with, as far as they are known.
            purpose: what the values are for.
        """
        super().__init__()
        self._machine = machine
        self._module = name
        self._given = given
        self._purpose = purpose
        self._file = ""  # that a loaded module was inserted from
        self._before: dict[str, str] = {}
        self._is_read = False
        self._accept_when_read = False
        self._edited = -1  # index of the parameter in the input line
        self._lines = ParameterLines()
        self._lines.purpose = purpose
        self._head = Static("", id="form-head", markup=False)
        self._about = Static("", id="form-about", markup=False)
        self._label = Label("", id="form-name", markup=False)
        self._input = InputLine("form", id="form-input", select_on_focus=False)
        self._problem = Static("", id="form-problem", markup=False)
        self._command = Static("", id="form-command", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out the list, the details of a parameter, the input line, and the command."""
        title = {
            Purpose.LOAD: "Parameters of",
            Purpose.CHANGE: "Parameters of",
            Purpose.RELOAD: "Reload",
            Purpose.KEEP: "Options kept for",
        }
        with Vertical(classes="dialog", id="form-dialog") as frame:
            set_title(frame, f"{title[self._purpose]} {self._module}")
            yield self._head
            yield self._lines
            yield self._about
            with Horizontal(id="form-line"):
                yield self._label
                yield self._input
            yield self._problem
            yield self._command
            yield self.keys

    async def on_mount(self) -> None:
        """Read the parameters."""
        self.set_focus(self._input)
        try:
            rows = await read_form(self._machine, self._module)
            if origin := await asyncio.to_thread(self._machine.origin, self._module):
                self._file = origin.path
        except KmodtuiError as error:
            self.report(error)
            rows = ()
        typed = self._input.value  # while the parameters were being read
        self._lines.rows = rows
        self._lines.values = self._starting_values(rows)
        self._before = dict(self._lines.values)
        if typed:
            self._lines.values[rows[0].name if rows else OTHER] = typed
        self._lines.empty_text = f"{self._module} declares no parameters."
        self._fit_height()
        self._lines.lines_changed()
        self._show_current()
        if typed:
            self._input.cursor_position = len(typed)  # the user may still be typing
        self._show()
        self._is_read = True
        if self._accept_when_read:
            self.action_accept()

    def _starting_values(self, rows: tuple[FormParameter, ...]) -> dict[str, str]:
        if self._purpose is Purpose.CHANGE:
            return {}
        if self._purpose is Purpose.RELOAD:
            return kept_values(rows, self._given)
        return dict(filter(None, map(split_assignment, self._given)))

    # Result

    @property
    def _current(self) -> FormParameter | None:
        rows = self._lines.rows
        return rows[self._lines.cursor] if self._lines.cursor < len(rows) else None

    @property
    def _changed(self) -> dict[str, str]:
        """The values to pass, with those of the line for other parameters split up."""
        values = dict(self._lines.values)
        others = values.pop(OTHER, "")
        for word in _split(others):
            assignment = split_assignment(word)
            values[assignment[0] if assignment else word] = assignment[1] if assignment else ""
        if self._purpose is Purpose.CHANGE:
            now = {row.name: row for row in self._lines.rows}
            values = {
                name: value
                for name, value in values.items()
                if not (row := now.get(name))
                or row.value is None
                or not same_value(row.type, row.value, value)
            }
        return values

    @property
    def needs_reload(self) -> bool:
        """Whether a changed parameter cannot be written while the module is loaded."""
        writable = {row.name for row in self._lines.rows if row.writable}
        return self._purpose is Purpose.CHANGE and bool(set(self._changed) - writable)

    @property
    def kept(self) -> tuple[str, ...]:
        """The arguments of a reload: the changed values, and the current ones of the others."""
        return assignments(kept_values(self._lines.rows, self._given) | self._changed)

    @property
    def _problems(self) -> tuple[str, ...]:
        types = {row.name: row.type for row in self._lines.rows}
        words = _split(self._lines.values.get(OTHER, ""))
        own = assignments({n: v for n, v in self._lines.values.items() if n != OTHER})
        return problems(self._module, (*own, *words), types)

    @property
    def _command_lines(self) -> tuple[str, ...]:
        words = assignments(self._changed)
        name = self._module
        if self.needs_reload or self._purpose is Purpose.RELOAD:
            words = self.kept if self.needs_reload else words
            return reload_lines(name, words, self._file)
        if self._purpose is Purpose.KEEP:
            verb = Verb.KEEP_OPTIONS if words else Verb.FORGET_OPTIONS
            return (PlanCommand(verb, (name,), words, replaces=bool(self._given)).line,)
        if self._purpose is Purpose.CHANGE:
            return tuple(PlanCommand(Verb.SET, (name,), (word,)).line for word in words)
        return (PlanCommand(Verb.LOAD, (name,), words).line,)

    # Display

    def _show_current(self) -> None:
        """Edit the parameter under the cursor in the input line."""
        self._edited = self._lines.cursor
        row = self._current
        name = row.name if row else OTHER
        self._label.update(f" {row.name} = " if row else " other, as key=value: ")
        with self._input.prevent(Input.Changed):
            self._input.value = self._lines.values.get(name, "")
        # Selected, so that typing replaces the value; an arrow key keeps it for editing.
        self._input.select_all()
        placeholder = ""
        if row is not None:
            if self._purpose is not Purpose.LOAD and row.value is not None:
                placeholder = f"currently {row.value}"
            elif row.starting_value:
                placeholder = f"{row.starting_value} if left empty"
        self._input.placeholder = clean(placeholder)

    def _show(self) -> None:
        width = self._lines.line_width
        name, new, now, starts = column_widths(width, loaded=self._purpose is not Purpose.LOAD)
        given = {Purpose.LOAD: "value", Purpose.CHANGE: "new value", Purpose.RELOAD: "given"}
        given[Purpose.KEEP] = "kept"
        head = fit("parameter", name) + fit(given[self._purpose], new)
        if now:
            head += fit("  now", now)
        self._head.update(head + fit("default", starts) + "type")
        self._about.update(Text("\n").join(self._about_lines(width)))
        errors = self._problems
        self._problem.update(
            Text(fit(clean(errors[0]), width), self.colour("error"))
            if errors
            else Text(fit(self._hint(), width), self.colour("dim"))
        )
        command = Text("\n").join(Text(line) for line in self._short_commands(width))
        self._command.update(command)
        self.keys.show(*self._hints())

    def _short_commands(self, width: int) -> list[str]:
        lines = self._command_lines
        if len(lines) == 1:
            pieces = wrapped(clean(lines[0]), max(10, width))
            return [*pieces[:1], *([fit(" ".join(pieces[1:]), width)] if pieces[1:] else [])]
        if len(lines) > 2:
            lines = (lines[0], f"… and {counted(len(lines) - 1, 'more command')}")
        return [fit(clean(line), width) for line in lines]

    def _hints(self) -> list[Hint]:
        hints = [
            hint("form.accept"),
            hint("form.up", "form.down", label="parameter"),
            hint("dialog.cancel"),
        ]
        if self._purpose is Purpose.RELOAD:
            hints.insert(2, hint("form.fresh", label="clear" if self._lines.values else "keep"))
        return hints

    def _hint(self) -> str:
        if self.needs_reload:
            names = [row.name for row in self._lines.rows if not row.writable]
            name = next((name for name in self._changed if name in names), "")
            return (
                f"{name or 'This'} can only be set by loading: "
                f"{key_of('form.accept')} plans a reload."
            )
        if self._purpose is Purpose.CHANGE and not self._changed:
            return "Parameters marked w can be changed while the module is loaded."
        if self._purpose is Purpose.RELOAD:
            return "The module is loaded again with the values in the second column."
        if self._purpose is Purpose.KEEP:
            return "modprobe passes the options in the second column at every load."
        return ""

    def _about_lines(self, width: int) -> list[Text]:
        row = self._current
        dim = self.colour("dim")
        if row is None:
            words = "Any key=value that the file does not declare, such as dyndbg=+p."
            return [Text(line, dim) for line in wrapped(words, width)[:2]]
        first = f"{row.type or 'untyped'}: {type_words(row.type)}"
        if self._purpose is not Purpose.LOAD:
            kind = "can be changed while loaded" if row.writable else "can only be set by loading"
            first += f" · {kind}"
            if row.value is None and row.why_no_value:
                first += f" · {row.why_no_value}"
        lines = [Text(fit(clean(first), width), dim)]
        room = 3 - bool(row.settings)
        text = wrapped(row.description.replace("\\n", " ").replace("\\t", " "), width)
        shown = text[:room]
        if len(text) > room:
            shown[-1] = fit(" ".join(text[room - 1 :]), width)
        lines += [Text(clean(line)) for line in shown]
        if row.settings:
            last = row.settings[-1]
            more = f", which overrides {len(row.settings) - 1} more" if row.settings[1:] else ""
            set_by = f"set to {last.value} by {last.where}{more}"
            lines.append(Text(fit(clean(set_by), width), self.colour("warning")))
        return lines

    # Keys

    def on_input_changed(self) -> None:
        """Store the typed value of the parameter under the cursor."""
        self._store_typed()
        self._show()

    def _store_typed(self) -> None:
        """Store the text of the input line: its change message may arrive late."""
        row = self._current
        name = row.name if row else OTHER
        if self._input.value:
            self._lines.values[name] = self._input.value
        else:
            self._lines.values.pop(name, None)
        self._lines.refresh_line(self._lines.cursor)

    def action_move(self, lines: int) -> None:
        """Go to another parameter."""
        self._store_typed()
        self._lines.move_cursor(self._lines.cursor + lines)
        self._show_current()
        self._show()

    def action_fresh(self) -> None:
        """For a reload: clear all values, or set them to the current ones again."""
        if self._purpose is Purpose.RELOAD:
            self._lines.values = {} if self._lines.values else dict(self._before)
            self._lines.refresh()
            self._show_current()
            self._show()

    def on_resize(self) -> None:
        """Adapt to the new size."""
        self._fit_height()
        self.call_after_refresh(self._show)

    def _fit_height(self) -> None:
        """Make the list as high as it has parameters, if the screen has room for that."""
        room = self.app.size.height * 9 // 10 - _AROUND_THE_LIST
        self._lines.styles.height = max(3, min(self._lines.line_count(), room))

    def on_line_view_cursor_moved(self) -> None:
        """Follow the mouse; after a key, `action_move` has done this already."""
        if self._lines.cursor != self._edited:
            self._show_current()
            self._show()

    def action_accept(self) -> None:
        """Close with the typed values, unless the kernel would reject them."""
        if not self._is_read:
            # Without the values that it starts with, they would be lost.
            self._accept_when_read = True
            return
        self._store_typed()
        if self._problems:
            return
        if self._purpose is Purpose.CHANGE and not self._changed:
            return
        self.dismiss(self.kept if self.needs_reload else assignments(self._changed))

    def action_cancel(self) -> None:
        """Close without a result."""
        self.dismiss(None)


def _split(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        return (line,)

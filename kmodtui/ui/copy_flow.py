"""Copies a line or a page to the clipboard of the terminal, and saves a page to a file."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from textual.content import Content
from textual.widget import Widget

from kmodtui.errors import KmodtuiError
from kmodtui.model.document import (
    DocumentRow,
    Format,
    OwnFormat,
    line_of,
    row_written,
    value_words,
    written,
)
from kmodtui.model.text import clean, counted, human_size, shortened
from kmodtui.services.file_writer import write_file
from kmodtui.services.machine import Machine
from kmodtui.ui.clipboard import remark, why_no_clipboard
from kmodtui.ui.dialogs.copy import CopyChoice, CopyDialog
from kmodtui.ui.dialogs.save import SaveDialog
from kmodtui.ui.dialogs.save_page import SavePageDialog
from kmodtui.ui.menu_flow import SubjectView
from kmodtui.ui.screens.base import KmodtuiScreen
from kmodtui.ui.snapshot import current_directory
from kmodtui.ui.subject import SubjectKind

AT_ONCE = 500
"""Rows that are written until waiting keys are handled."""

_FONT = re.compile(r"@font-face\s*{[^{}]*}\s*")
"""Fonts that whoever looks at the picture would have to fetch."""


class Page(Protocol):
    """A view that can be copied and saved."""

    def current_row(self) -> DocumentRow | None:
        """Return the line under the cursor; None if there is none."""
        ...

    def document_rows(self) -> Iterable[DocumentRow]:
        """Return all lines, also those that are not visible."""
        ...


# Copying


def start_copy(view: Widget) -> None:
    """Ask what of a view to copy, and copy it.

    Args:
        view: a `Page`.
    """
    screen, page = _screen(view), cast("Page", view)
    title = _title_of(view)
    choices = copy_choices(page.current_row(), _own_formats(view))

    def closed(choice: CopyChoice | None) -> None:
        if choice is not None:
            screen.work(partial(_copy, view, choice, title), "copy")

    screen.app.push_screen(CopyDialog(title, choices, _path_of(view)), closed)


def _path_of(view: Widget) -> Callable[[], Awaitable[str]] | None:
    """Return what finds the file of the module under the cursor; None for any other line."""
    subject = view.subject() if isinstance(view, SubjectView) else None
    machine = getattr(view.app, "machine", None)
    if subject is None or subject.kind is not SubjectKind.MODULE:
        return None
    if not isinstance(machine, Machine):
        return None

    async def read() -> str:
        path = await asyncio.to_thread(machine.file_of, subject.name)
        return clean(path or "")

    return read


def _own_formats(view: Widget) -> tuple[OwnFormat, ...]:
    return getattr(view, "own_formats", ())


def copy_choices(row: DocumentRow | None, own: Sequence[OwnFormat] = ()) -> tuple[CopyChoice, ...]:
    """Return what can be copied: the fields of a line, the line, and the page."""
    choices = []
    if row is not None:
        values = ((name, value_words(value)) for name, value in row.fields.items())
        choices = [CopyChoice(name.replace("_", " "), text) for name, text in values if text]
        if row.text:
            choices.append(CopyChoice("line", line_of(row)))
        if row.text and row.fields:
            choices += [
                CopyChoice(f"line as {each}", row_written(each, row))
                for each in (Format.JSON, Format.MARKDOWN)
            ]
    choices += [CopyChoice(f"as {each.label}", own=each) for each in own]
    choices += [CopyChoice(f"page as {each}", page=each) for each in Format]
    return tuple(choices)


async def _copy(view: Widget, choice: CopyChoice, title: str) -> None:
    text, ending = choice.text, _ENDING[choice.page]
    what = f"{choice.label}: {shortened(text, 60)}" if text is not None else choice.label
    if choice.own is not None:
        text, ending = choice.own.write(), choice.own.ending
        what = f"{title} {choice.label}"
    elif text is None:
        rows = await _rows(cast("Page", view))
        text = written(choice.page, title, rows)
        what = f"{choice.label}: {title}, {counted(len(rows), 'line')}"
    copy_text(_screen(view), text, what, f"{_slug(title)}{ending}")


def copy_text(screen: KmodtuiScreen[Any], text: str, what: str, name: str) -> None:
    """Copy a text to the clipboard; ask for a file where the terminal has none.

    Args:
        screen: where this is said.
        text: the text, without control characters except newlines.
        what: what it is, for the message.
        name: the name of the file that is offered.
    """
    size = len(text.encode())
    reason = why_no_clipboard(os.environ, size)
    if not reason:
        screen.app.copy_to_clipboard(text)
        words = "\n".join(filter(None, (clean(what), remark(os.environ))))
        screen.notify(words, title="Copied", markup=False, timeout=4)
        return
    dialog = SaveDialog(f"To a file: {reason}", current_directory(), name)

    def closed(path: Path | None) -> None:
        if path is not None:
            force = dialog.overwrites
            screen.work(partial(_write, screen, path, text, force=force), "save", exclusive=False)

    screen.app.push_screen(dialog, closed)


# Saving


def start_save(view: Widget) -> None:
    """Ask for a file, and save a view to it.

    Args:
        view: a `Page`.
    """
    screen, title = _screen(view), _title_of(view)
    # Of the page, not of the dialog over it.
    picture = _FONT.sub("", screen.app.export_screenshot(title="kmodtui", simplify=True))
    try:
        directory = current_directory()
    except KmodtuiError as error:
        screen.report(error)
        return
    own = _own_formats(view)
    ending = own[0].ending if own else ".txt"
    dialog = SavePageDialog(f"Save: {title}", directory, f"{_slug(title)}{ending}", own)

    def closed(path: Path | None) -> None:
        if path is not None:
            work = partial(_save, view, path, title, picture, force=dialog.overwrites)
            screen.work(work, "save", exclusive=False)

    screen.app.push_screen(dialog, closed)


async def _save(view: Widget, path: Path, title: str, picture: str, *, force: bool) -> None:
    ending = path.suffix.lower()
    own = next((each for each in _own_formats(view) if each.ending == ending), None)
    if own is not None:
        text = own.write()
    elif ending == ".svg":
        text = picture
    else:
        format_ = next(each for each, own in _ENDING.items() if own == ending)
        text = written(format_, title, await _rows(cast("Page", view)))
    await _write(_screen(view), path, text, force=force)


async def _write(screen: KmodtuiScreen[Any], path: Path, text: str, *, force: bool) -> None:
    data = text.encode("utf-8", "backslashreplace")
    # A link is replaced, if that was agreed to, and never followed.
    await asyncio.to_thread(write_file, path, data, force=force, hint="Choose another name.")
    where = f"{clean(path.name)}\nin {clean(str(path.parent))}\n{human_size(len(data))}"
    screen.notify(where, title="Saved", markup=False, timeout=6)


_ENDING = {Format.TEXT: ".txt", Format.JSON: ".json", Format.MARKDOWN: ".md"}


async def _rows(page: Page) -> list[DocumentRow]:
    rows = []
    for number, row in enumerate(page.document_rows()):
        rows.append(row)
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
    return rows


def _title_of(view: Widget) -> str:
    """Return the title of the closest frame around a view."""
    if title := getattr(view, "page_title", ""):
        return clean(title)
    titles = (node.border_title for node in view.ancestors_with_self if isinstance(node, Widget))
    title = next(filter(None, titles), "page")
    return Content.from_markup(title).plain.lstrip("0123456789 ")


def _slug(title: str) -> str:
    words = re.findall("[A-Za-z0-9_]+", title.split(":")[0])
    return "-".join(words[:4]).lower() or "page"


def _screen(view: Widget) -> KmodtuiScreen[Any]:
    return cast("KmodtuiScreen[Any]", view.screen)

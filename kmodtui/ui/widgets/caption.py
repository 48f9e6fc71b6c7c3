"""Titles and subtitles in the frames of panes and dialogs."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from kmodtui.model.text import clean


def set_title(frame: Widget, text: str) -> None:
    """Set the title of a frame, and redraw it only if the title changed.

    Textual parses a title of type `str` as markup, so a filter text or a module
    name could raise a markup error; it also redraws the widget for an equal title.
    """
    content = Content(clean(text))
    if frame.border_title != content.markup:
        frame.border_title = content


def set_subtitle(frame: Widget, text: str) -> None:
    """Set the subtitle of a frame; see `set_title`."""
    content = Content(clean(text))
    if frame.border_subtitle != content.markup:
        frame.border_subtitle = content

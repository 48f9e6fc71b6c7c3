"""What stands in the frame of a pane or dialog."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from kmodtui.model.text import clean


def set_title(frame: Widget, words: str) -> None:
    """Write the title of a frame; draw it only if it is another one.

    Textual takes a title that is a string for markup, in which a filter or a
    module's name could be an error, and draws the whole widget for an equal one.
    """
    content = Content(clean(words))
    if frame.border_title != content.markup:
        frame.border_title = content


def set_subtitle(frame: Widget, words: str) -> None:
    """Write the subtitle of a frame; see `set_title`."""
    content = Content(clean(words))
    if frame.border_subtitle != content.markup:
        frame.border_subtitle = content

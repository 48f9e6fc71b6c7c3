"""Textual's cache of drawn lines, changed to release the widgets of closed screens.

`StylesCache.get_inner_outer` is a method with `lru_cache`, which keeps the 1,024 `StylesCache`
objects it was called on last, each with all drawn lines of one widget. It uses nothing but
its arguments, so that one cache without the objects serves all widgets.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from textual._styles_cache import StylesCache


def release_closed_widgets() -> None:
    """Let the drawn lines of a widget be collected together with it."""
    if not isinstance(StylesCache.__dict__["get_inner_outer"], staticmethod):
        uncached: Any = StylesCache.get_inner_outer.__wrapped__
        cached: Any = staticmethod(lru_cache(1024)(partial(uncached, StylesCache)))
        StylesCache.get_inner_outer = cached  # type: ignore[method-assign]

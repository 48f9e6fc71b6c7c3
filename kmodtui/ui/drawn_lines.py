"""Textual's cache of drawn lines, changed to release the widgets of closed screens.

`StylesCache.get_inner_outer` is a method with `lru_cache`, which keeps the 1,024 `StylesCache`
objects it was called on last, each with all drawn lines of one widget. It uses nothing but
its arguments, so that one cache without the objects serves all widgets.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from textual._styles_cache import StylesCache

_NAME = "get_inner_outer"


def release_closed_widgets() -> None:
    """Let the drawn lines of a widget be collected together with it.

    Does nothing with a release of Textual that has no such cache.
    """
    cached_method: Any = vars(StylesCache).get(_NAME)
    if isinstance(cached_method, type(lru_cache(abs))):
        shared = lru_cache(1024)(partial(cached_method.__wrapped__, StylesCache))
        setattr(StylesCache, _NAME, staticmethod(shared))

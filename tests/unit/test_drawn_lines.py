"""The change to Textual's cache of drawn lines, which other releases may not have."""

from __future__ import annotations

import pytest
from textual._styles_cache import StylesCache
from textual.color import Color

from kmodtui.ui.drawn_lines import release_closed_widgets


def test_all_widgets_share_one_cache_without_themselves() -> None:
    release_closed_widgets()
    release_closed_widgets()
    shared = vars(StylesCache)["get_inner_outer"]
    assert isinstance(shared, staticmethod)
    black, white = Color(0, 0, 0), Color(255, 255, 255)
    inner, outer = StylesCache().get_inner_outer(black, white)
    assert inner.background == white
    assert outer.background == black


@pytest.mark.parametrize("other", [None, lambda *_: None])
def test_a_textual_without_this_cache_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, other: object
) -> None:
    if other is None:
        monkeypatch.delattr(StylesCache, "get_inner_outer")
    else:
        monkeypatch.setattr(StylesCache, "get_inner_outer", other)
    release_closed_widgets()
    assert vars(StylesCache).get("get_inner_outer") is other

"""What is typed right behind a key that edits the line stays behind it."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from tests.ui.stage import opened


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ((*"vfax", "backspace", "t"), "/vfat ·"),
        ((*"hello", "ctrl+u", *"ext4"), "/ext4 ·"),
        ((*"xt4", "home", "e", "end"), "/ext4 ·"),
    ],
)
async def test_a_filter_that_is_corrected_in_one_go(
    demo: Demo, keys: tuple[str, ...], text: str
) -> None:
    async with opened(demo) as stage:
        stage.send("slash", *keys, "enter")
        await stage.until(text)

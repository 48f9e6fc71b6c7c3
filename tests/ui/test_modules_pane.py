"""The pane of loaded modules: order, filter, and a cursor that stays on its module."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from tests.ui.stage import SIZES, opened


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_modules_are_listed_in_the_order_of_the_kernel(demo: Demo, size: tuple[int, int]):
    async with opened(demo, size=size) as stage:
        assert stage.modules == list(demo.kernel.loaded)
        assert stage.row("virtio_net")[1:5] == ["72.0", "KiB", "0", "Live"]
        print(stage.text)

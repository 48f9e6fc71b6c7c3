"""The dialog of the minutes until root is given up tells how many they are now."""

from __future__ import annotations

import pytest

from kmodtui.demo import Demo
from kmodtui.privileged.helper import IDLE_TIMEOUT
from tests.ui.stage import opened


@pytest.mark.parametrize("minutes", [None, 7])
async def test_the_number_that_holds_now_is_told(demo: Demo, minutes: int | None) -> None:
    async with opened(demo) as stage:
        stage.dashboard.machine.idle_minutes = minutes
        await stage.press("colon")
        await stage.until("Search for commands")
        await stage.type("idle time")
        await stage.until("Set how long the helper may be idle")
        await stage.press("enter")
        await stage.until("Drop root privileges after")
        await stage.until(f"Currently {minutes or round(IDLE_TIMEOUT / 60)} minutes.")

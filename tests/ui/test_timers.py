"""A timer that is late already does not stop the dashboard."""

from __future__ import annotations

import pytest
from textual.notifications import Notification
from textual.widgets._toast import Toast

from kmodtui.demo import Demo
from tests.support.alarm import alarm
from tests.ui.stage import PATIENCE, opened


async def test_a_notification_whose_time_is_over_when_it_is_shown_disappears(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time may end after Textual has looked whether it is over."""
    monkeypatch.setattr(Notification, "has_expired", False)
    # Its words are on the screen for too short a time to be waited for.
    over: list[Toast] = []
    expire = Toast._expire

    def seen(toast: Toast) -> None:
        over.append(toast)
        expire(toast)

    monkeypatch.setattr(Toast, "_expire", seen)
    with alarm(PATIENCE, lambda: "the event loop is blocked"):
        async with opened(demo) as stage:
            for timeout in (-0.001, 0, 0.0001):
                stage.app.notify("too late", timeout=timeout)
            await stage.until(lambda: len(over) == 3)
            await stage.until_gone("too late")
            await stage.press("question_mark")
            await stage.until("keys, columns and flags")

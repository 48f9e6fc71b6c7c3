"""Textual's timers, changed so that none of them can stop the dashboard.

A timer that is late computes how many of its intervals have passed, and looks at the clock
again. With an interval below zero it is late forever and never returns to the event loop; with
zero it divides by it. A notification gives its timer the time that it has left, and that may be
over when it is shown.
"""

from __future__ import annotations

from typing import Any

from textual.timer import Timer

SHORTEST = 0.01
"""Seconds; a timer with a shorter interval has this one."""

_textual_init = Timer.__init__


def _init(timer: Timer, target: Any, interval: float, **options: Any) -> None:
    _textual_init(timer, target, max(SHORTEST, interval), **options)


def limit_intervals() -> None:
    """Let no timer have an interval that is zero, negative, or shorter than is of any use."""
    Timer.__init__ = _init  # type: ignore[method-assign,assignment]

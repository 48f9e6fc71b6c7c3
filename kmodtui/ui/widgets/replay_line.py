"""The first line of the screen for a recording: what was recorded, and that it is only read."""

from __future__ import annotations

from kmodtui.services.live import LiveSystem
from kmodtui.services.timeline.recording import Recording
from kmodtui.ui.widgets.header_line import HeaderLine, Piece
from kmodtui.ui.widgets.lines.events import full_time


class ReplayLine(HeaderLine):
    """One line, as for a running system."""

    def __init__(self, live: LiveSystem, recording: Recording) -> None:
        super().__init__(live)
        self._recording = recording

    def pieces(self) -> tuple[str, list[Piece]]:
        """Return the kernel, and the parts of the line; see `HeaderLine.pieces`."""
        recording = self._recording
        start, events = recording.start, recording.events
        kernel = f"Linux {start.release}" if start is not None else ""
        times = f"{full_time(events[0].when)} to {full_time(events[-1].when)}" if events else ""
        return kernel, [
            (9, " REPLAY ", "badge"),
            (8, "read only", "strong"),
            (4, start.hostname if start is not None else "", "strong"),
            (5, kernel, "dim"),
            (7, times, "dim"),
            (6, recording.path.rsplit("/", 1)[-1], "dim"),
            (9, "INCOMPLETE" if recording.notes else "", "warn"),
        ]

"""All events since the start in bounded memory.

Each kind has its own limit, so that a flood of one kind displaces no events of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kmodtui.model.history import EVENTS_LIMIT
from kmodtui.model.timeline.event import EventKind, TimelineEvent

LIMIT = EVENTS_LIMIT
"""Events of each kind that are kept: for loads and unloads, as many as `Timeline` keeps."""


@dataclass(frozen=True)
class EventList:
    """The events that are kept, the oldest first.

    Attributes:
        events: in the order in which they were noticed.
        dropped: how many older ones of each kind are no longer kept.
        counts: how many of each kind are kept.
    """

    events: tuple[TimelineEvent, ...] = ()
    dropped: Counter[EventKind] = field(default_factory=Counter)
    counts: Counter[EventKind] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.events)

    def with_events(self, new: Iterable[TimelineEvent], limit: int = LIMIT) -> EventList:
        """Return the list with more events, and with less of the oldest of their kind if needed."""
        added = tuple(new)
        events = [*self.events, *added]
        counts = self.counts + Counter(event.kind for event in added)
        over = Counter({kind: count - limit for kind, count in counts.items() if count > limit})
        if over:
            left = Counter(over)
            kept = []
            for event in events:
                if left[event.kind] > 0:
                    left[event.kind] -= 1
                else:
                    kept.append(event)
            events = kept
            counts -= over
        return EventList(tuple(events), self.dropped + over, counts)

    def of(self, kinds: Collection[EventKind]) -> tuple[TimelineEvent, ...]:
        """Return the events of these kinds; gaps and starts belong to every selection."""
        wanted = {*kinds, EventKind.LOST, EventKind.START}
        return tuple(event for event in self.events if event.kind in wanted)

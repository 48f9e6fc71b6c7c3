"""Which lines the timeline has: the start, changes of the modules, and other events, in order."""

from __future__ import annotations

from collections.abc import Container

from kmodtui.model.history import Timeline
from kmodtui.model.timeline.event import EventKind, ModulesChanged, TimelineEvent
from kmodtui.model.timeline.event_list import EventList

Item = int | TimelineEvent
"""A line: a point of the timeline, or an event that is not a change of the modules."""


def items_of(
    timeline: Timeline,
    events: EventList,
    kind: EventKind | None,
    wanted: Container[int] | None = None,
) -> list[Item]:
    """Return the start and all events in order, or only some.

    A change whose event is still being gathered comes last, unless `wanted` is given.

    Args:
        timeline: the changes of the modules.
        events: all events.
        kind: the only kind that is shown; None for all.
        wanted: the numbers of the events that are shown; None for all.
    """
    numbers = {event.change.number: place for place, event in enumerate(timeline.events, 1)}
    items: list[Item] = [0]
    for event in events.events if kind is None else events.of((kind,)):
        if isinstance(event.detail, ModulesChanged):
            point = numbers.pop(event.detail.event.change.number, 0)
            if point and (wanted is None or event.number in wanted):
                items.append(point)
        elif wanted is not None and event.number not in wanted:
            continue
        elif event.kind is not EventKind.START or event is not events.events[0]:
            items.append(event)
    if wanted is None and kind in (None, EventKind.MODULES):
        items += numbers.values()
    return items


def place_of(item: Item, items: list[Item]) -> int:
    """Return the line of an item; if it is not shown, the last line before it."""
    if isinstance(item, int):
        before = [place for place, each in enumerate(items) if isinstance(each, int)]
        return max((place for place in before if _point(items[place]) <= item), default=0)
    place = 0
    for index, each in enumerate(items):
        if not isinstance(each, int) and each.number <= item.number:
            place = index
    return place


def _point(item: Item) -> int:
    return item if isinstance(item, int) else 0

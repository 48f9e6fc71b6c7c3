"""Subscriptions that last as long as the widget or screen they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.message_pump import MessagePump

from kmodtui.services.topic import Topic

Value = TypeVar("Value")


def subscribe(topic: Topic[Value], call: Callable[[Value], object]) -> None:
    """Call a method of a widget or screen with each value, for as long as it is mounted."""
    topic.subscribe(call, _is_mounted)


def _is_mounted(node: MessagePump) -> bool:
    return node.is_running and node.is_attached

"""A topic calls its subscribers for as long as they are there."""

from __future__ import annotations

import gc

import pytest

from kmodtui.services.topic import Topic


class Listener:
    def __init__(self) -> None:
        self.values: list[int] = []
        self.listens = True

    def take(self, value: int) -> None:
        self.values.append(value)

    def fail(self, value: int) -> None:
        raise ValueError(value)

    @staticmethod
    def lasts(listener: Listener) -> bool:
        return listener.listens


def test_every_subscriber_gets_every_value_in_the_order_of_subscription() -> None:
    topic: Topic[int] = Topic()
    values: list[tuple[str, int]] = []
    topic.subscribe(lambda value: values.append(("first", value)))
    topic.subscribe(lambda value: values.append(("second", value)))
    topic.publish(1)
    topic.publish(2)
    assert values == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_a_subscription_does_not_keep_its_object_alive() -> None:
    topic: Topic[int] = Topic()
    listener = Listener()
    values = listener.values
    topic.subscribe(listener.take)
    topic.publish(1)
    del listener
    gc.collect()
    topic.publish(2)
    assert values == [1]


def test_a_subscription_ends_when_its_object_does_not_listen_any_more() -> None:
    topic: Topic[int] = Topic()
    listener = Listener()
    topic.subscribe(listener.take, Listener.lasts)
    topic.publish(1)
    listener.listens = False
    topic.publish(2)
    listener.listens = True
    topic.publish(3)
    assert listener.values == [1]


def test_a_subscriber_that_fails_keeps_no_other_from_its_value() -> None:
    topic: Topic[int] = Topic()
    listener = Listener()
    topic.subscribe(listener.fail)
    topic.subscribe(listener.take)
    with pytest.raises(ValueError, match="1"):
        topic.publish(1)
    assert listener.values == [1]

"""A topic: one part calls others whenever something of one kind happens, without knowing them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakMethod

Value = TypeVar("Value")


def _always(_owner: object) -> bool:
    return True


class Topic(Generic[Value]):
    """Calls its subscribers with each value that is published, in the order they subscribed."""

    def __init__(self) -> None:
        self._subscribers: list[_Subscriber[Value]] = []

    def subscribe(
        self, call: Callable[[Value], object], lasts: Callable[[Any], bool] = _always
    ) -> None:
        """Call `call` with each value from now on.

        A method is held weakly: its object can be collected, which ends the subscription.

        Args:
            call: a method or function.
            lasts: asked with the method's object before each call; False ends the subscription.
        """
        self._subscribers.append(_Subscriber(call, lasts))

    def publish(self, value: Value) -> None:
        """Call every subscriber.

        Raises:
            Exception: the first failure of a subscriber, after all of them have been called.
        """
        failures = []
        for subscriber in tuple(self._subscribers):
            call = subscriber.call
            if call is None:
                self._subscribers.remove(subscriber)
                continue
            try:
                call(value)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]


class _Subscriber(Generic[Value]):
    """One subscription."""

    def __init__(self, call: Callable[[Value], object], lasts: Callable[[Any], bool]) -> None:
        self._reference: Callable[[], Callable[[Value], object] | None]
        if inspect.ismethod(call):
            self._reference = WeakMethod(call)
        else:
            self._reference = lambda: call
        self._lasts = lasts

    @property
    def call(self) -> Callable[[Value], object] | None:
        """What is to be called; None once the subscription has ended."""
        call = self._reference()
        return call if call is not None and self._lasts(getattr(call, "__self__", None)) else None

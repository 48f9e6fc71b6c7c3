"""The kernel log is reported in batches, and not polled while nothing is logged."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from kmodtui.errors import UnreadableError
from kmodtui.model.log.record import LogRecord
from kmodtui.services import kernel_log
from kmodtui.services.kernel_log import directly


class Log:
    """A log in memory that counts how often it was read."""

    def __init__(self, *records: int) -> None:
        self.waiting = [LogRecord(number, 0, 6, "") for number in records]
        self.looked = 0
        self.closed = False
        self.failure: Exception | None = None
        self.awaited = asyncio.Event()
        self._come = asyncio.Event()

    def read(self, most: int) -> list[LogRecord]:
        self.looked += 1
        if self.failure:
            raise self.failure
        read, self.waiting = self.waiting[:most], self.waiting[most:]
        return read

    async def more(self) -> None:
        self._come.clear()
        self.awaited.set()
        await self._come.wait()

    def say(self, *records: int) -> None:
        self.waiting += [LogRecord(number, 0, 6, "") for number in records]
        self._come.set()

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "GATHERING", 0)
    monkeypatch.setattr(kernel_log, "AT_ONCE", 3)


async def test_existing_records_come_in_batches_and_later_ones_are_fresh() -> None:
    log = Log(1, 2, 3, 4)
    async with aclosing(directly(log)) as batches:
        held = [await anext(batches), await anext(batches)]
        assert [[r.seq for r in batch.records] for batch in held] == [[1, 2, 3], [4]]
        assert not any(batch.fresh for batch in held)
        following = asyncio.ensure_future(anext(batches))
        await log.awaited.wait()
        log.say(5)
        batch = await following
        assert ([r.seq for r in batch.records], batch.fresh) == ([5], True)
        assert not log.closed
    assert log.closed


async def test_the_log_is_not_polled_while_nothing_is_logged() -> None:
    log = Log(1)
    async with aclosing(directly(log)) as batches:
        await anext(batches)
        following = asyncio.ensure_future(anext(batches))
        await log.awaited.wait()
        looked = log.looked
        for _ in range(50):
            await asyncio.sleep(0)
        assert log.looked == looked
        following.cancel()
        await asyncio.wait({following})
    assert log.closed


@pytest.mark.parametrize(
    ("failure", "words"),
    [(EOFError(), "has ended"), (OSError(5, "x"), "any more: Input/output error")],
)
async def test_a_log_that_fails_is_reported_and_closed(failure: Exception, words: str) -> None:
    log = Log()
    log.failure = failure
    with pytest.raises(UnreadableError, match=words):
        await anext(directly(log))
    assert log.closed

"""One reader for all desks: who is told what, and what a slow one costs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.errors import DependencyUnavailable
from modelops.desk import feed as feed_module
from modelops.desk.feed import DeskFeed
from modelops.desk.snapshot import DeskSnapshot, write_message


class FakeWorker:
    """Answers each reading with the snapshot of the moment, or as a database that is away."""

    def __init__(self) -> None:
        self.load = 0
        self.reads = 0
        self.failure: Exception | None = None
        self.next_read = asyncio.Event()

    async def submit(self, handler: Any, item: Any) -> DeskSnapshot:
        self.reads += 1
        self.next_read.set()
        self.next_read = asyncio.Event()
        if self.failure is not None:
            raise self.failure
        parts = {"load": str(self.load).encode(), "live": b"[]"}
        english, korean = b'["hot"]', '["뜨거움"]'.encode()
        return DeskSnapshot({"en": {**parts, "alarms": english}, "ko": {**parts, "alarms": korean}})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "SHORTEST_PERIOD_S", 0.0)
    monkeypatch.setattr(feed_module, "SETTLED_PERIOD_S", 0.01)


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def feed(worker: FakeWorker) -> DeskFeed:
    return DeskFeed(worker, see_external=lambda: None)  # type: ignore[arg-type]  # what it needs of a worker


def read(message: bytes | None) -> Any:
    assert message is not None
    return json.loads(message)


async def wait_for_reads(worker: FakeWorker, count: int) -> None:
    for _ in range(count):
        await worker.next_read.wait()


async def test_first_message_has_everything_and_later_ones_what_changed(
    worker: FakeWorker, feed: DeskFeed
) -> None:
    async with feed.following("en") as follower:
        first = read(await follower.next())
        worker.load = 7
        second = read(await follower.next())

    assert first["parts"] == {"load": 0, "live": [], "alarms": ["hot"]}
    assert second["parts"] == {"load": 7}


async def test_sentences_come_in_the_language_of_the_desk(feed: DeskFeed) -> None:
    async with feed.following("ko") as korean, feed.following("en") as english:
        messages = [read(await each.next()) for each in (korean, english)]

    assert [message["parts"]["alarms"] for message in messages] == [["뜨거움"], ["hot"]]


async def test_one_reading_serves_every_desk(worker: FakeWorker, feed: DeskFeed) -> None:
    async with feed.following("en") as one, feed.following("en") as other:
        await asyncio.gather(one.next(), other.next())

        assert worker.reads == 1


async def test_a_slow_desk_gets_the_newest_and_nothing_in_between(worker: FakeWorker, feed: DeskFeed) -> None:
    async with feed.following("en") as follower:
        await follower.next()
        for load in (1, 2, 3):
            worker.load = load
            await wait_for_reads(worker, 2)

        assert read(await follower.next())["parts"] == {"load": 3}


async def test_nothing_is_sent_while_nothing_changes(worker: FakeWorker, feed: DeskFeed) -> None:
    async with feed.following("en") as follower:
        await follower.next()
        waiting = asyncio.create_task(follower.next())
        await wait_for_reads(worker, 5)

        assert not waiting.done()
        waiting.cancel()


@pytest.mark.parametrize("failure", [DependencyUnavailable(), ValueError("a row that makes no sense")])
async def test_a_replica_that_cannot_read_says_so_once_and_comes_back_with_everything(
    worker: FakeWorker, feed: DeskFeed, failure: Exception
) -> None:
    async with feed.following("en") as follower:
        await follower.next()
        worker.failure = failure
        trouble = read(await follower.next())
        worker.failure = None
        after = read(await follower.next())

    assert trouble == {"type": "trouble", "code": "not_read"}
    assert set(after["parts"]) == {"load", "live", "alarms"}


async def test_nobody_reads_while_nobody_follows(feed: DeskFeed) -> None:
    async with feed.following("en") as follower:
        await follower.next()
        (reading,) = (task for task in asyncio.all_tasks() if task.get_name() == "read-desk")

    await asyncio.wait({reading})

    assert reading.cancelled()


async def test_followers_end_when_the_process_stops(feed: DeskFeed) -> None:
    async with feed.following("en") as follower:
        await follower.next()
        feed.close()

        assert await follower.next() is None
    async with feed.following("en") as late:
        assert await late.next() is None


def test_message_of_nothing_new_is_none() -> None:
    parts: dict[str, bytes] = {"load": b"1"}

    assert write_message(parts, parts) is None
    assert write_message(parts, {}) == b'{"type":"desk","parts":{"load":1}}'

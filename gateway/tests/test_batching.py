"""The batch worker: how calls are gathered, and how failures are kept apart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from gateway.batching import MAX_THREADS, BatchWorker
from gateway.errors import DependencyUnavailable, GatewayError, NotFound

DEADLINE_S = 10.0


@pytest.fixture
async def worker() -> AsyncIterator[BatchWorker]:
    running = BatchWorker("worker-under-test")
    yield running
    await running.stop()


class Doubler:
    """Doubles numbers and remembers its batches; its first call can be held until `release`."""

    def __init__(self, *, is_held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.is_running = threading.Event()
        self._go_on = threading.Event()
        if not is_held:
            self._go_on.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.is_running.set()
        assert self._go_on.wait(DEADLINE_S)
        return [2 * item for item in items]

    def release(self) -> None:
        self._go_on.set()


async def held(worker: BatchWorker) -> tuple[Doubler, asyncio.Task[int]]:
    """A doubler that the worker is busy with, and the task that waits for it."""
    doubler = Doubler(is_held=True)
    waiting = asyncio.create_task(worker.submit(doubler, 0))
    assert await asyncio.to_thread(doubler.is_running.wait, DEADLINE_S)
    return doubler, waiting


async def submit_all(
    worker: BatchWorker, handler: Callable[[Sequence[int]], Sequence[int | Exception]], items: Sequence[int]
) -> list[asyncio.Task[int]]:
    """Tasks whose items all lie in the worker's queue."""
    tasks = [asyncio.create_task(worker.submit(handler, item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_lone_item_is_a_batch_of_its_own(worker: BatchWorker) -> None:
    doubler = Doubler()

    assert await worker.submit(doubler, 21) == 42

    assert doubler.batches == [[21]]


async def test_what_arrives_while_a_batch_runs_is_the_next_batch(worker: BatchWorker) -> None:
    doubler, first = await held(worker)
    others = await submit_all(worker, doubler, [1, 2, 3, 4, 5])

    doubler.release()

    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert doubler.batches == [[0], [1, 2, 3, 4, 5]]


async def test_each_handler_has_its_own_batch(worker: BatchWorker) -> None:
    busy, first = await held(worker)
    left, right = Doubler(), Doubler()
    tasks = [
        *await submit_all(worker, left, [1]),
        *await submit_all(worker, right, [2]),
        *await submit_all(worker, left, [3]),
    ]

    busy.release()

    assert await asyncio.gather(first, *tasks) == [0, 2, 4, 6]
    assert left.batches == [[1, 3]]
    assert right.batches == [[2]]


async def test_batch_is_bounded_in_size(worker: BatchWorker) -> None:
    doubler, first = await held(worker)
    others = await submit_all(worker, doubler, range(300))

    doubler.release()
    await asyncio.gather(first, *others)

    assert [len(batch) for batch in doubler.batches] == [1, 256, 44]


async def test_item_that_makes_the_batch_raise_fails_alone(worker: BatchWorker) -> None:
    def refuse_three(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise ValueError("three")
        return list(items)

    busy, first = await held(worker)
    tasks = await submit_all(worker, refuse_three, [1, 2, 3, 4])

    busy.release()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)

    assert [results[1], results[2], results[4]] == [1, 2, 4]
    assert isinstance(results[3], ValueError)


async def test_result_that_is_an_exception_is_raised_to_its_submitter_alone(worker: BatchWorker) -> None:
    def refuse_two(items: Sequence[int]) -> list[int | Exception]:
        return [NotFound() if item == 2 else item for item in items]

    busy, first = await held(worker)
    tasks = await submit_all(worker, refuse_two, [1, 2, 3])

    busy.release()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)

    assert [results[1], results[3]] == [1, 3]
    assert isinstance(results[2], NotFound)


async def test_submitter_that_left_does_not_disturb_its_neighbours(worker: BatchWorker) -> None:
    doubler, first = await held(worker)
    leaver, stayer = await submit_all(worker, doubler, [1, 2])
    leaver.cancel()

    doubler.release()

    assert [await first, await stayer] == [0, 4]
    assert leaver.cancelled()


async def test_stop_finishes_what_was_submitted() -> None:
    worker = BatchWorker()
    doubler, first = await held(worker)
    others = await submit_all(worker, doubler, [1, 2, 3])
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)

    doubler.release()
    async with asyncio.timeout(DEADLINE_S):
        await stopping

    assert await asyncio.gather(first, *others) == [0, 2, 4, 6]


async def test_work_submitted_after_the_stop_is_refused_instead_of_never_answered() -> None:
    worker = BatchWorker()
    await worker.stop()

    with pytest.raises(GatewayError):
        async with asyncio.timeout(0.5):
            await worker.submit(Doubler(), 1)


async def test_what_waits_behind_a_stuck_batch_is_handled_by_another_thread(
    monkeypatch: pytest.MonkeyPatch, worker: BatchWorker
) -> None:
    monkeypatch.setattr("gateway.batching.STUCK_AFTER_S", 0.02)
    stuck, waiting = await held(worker)

    results = [await worker.submit(Doubler(), number) for number in (1, 2, 3)]

    assert results == [2, 4, 6]
    assert not waiting.done()
    stuck.release()
    assert await waiting == 0
    assert await worker.submit(Doubler(), 4) == 8


async def test_threads_beside_stuck_ones_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.batching.STUCK_AFTER_S", 0.02)
    worker = BatchWorker("worker-of-few-threads", timeout_s=0.3)
    doublers = [Doubler(is_held=True) for _ in range(8)]

    waiting = [asyncio.create_task(worker.submit(doubler, 1)) for doubler in doublers]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    names = [thread.name for thread in threading.enumerate()]
    assert 1 < names.count("worker-of-few-threads") <= MAX_THREADS
    assert {type(outcome) for outcome in outcomes} == {DependencyUnavailable}
    for doubler in doublers:
        doubler.release()
    await worker.stop()


async def test_submitter_waits_no_longer_than_the_time_out_and_what_waited_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.batching.MAX_THREADS", 1)
    worker = BatchWorker(timeout_s=0.1)
    stuck, waiting = await held(worker)
    late = Doubler()

    with pytest.raises(DependencyUnavailable):
        await worker.submit(late, 1)
    with pytest.raises(DependencyUnavailable):
        await waiting
    stuck.release()

    assert await worker.submit(Doubler(), 2) == 4
    assert late.batches == []
    await worker.stop()


async def test_worker_stops_with_the_threads_that_were_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.batching.STUCK_AFTER_S", 0.02)
    worker = BatchWorker("worker-to-stop")
    stuck, waiting = await held(worker)
    await worker.submit(Doubler(), 1)

    stopping = asyncio.create_task(worker.stop())
    stuck.release()
    await stopping

    assert await waiting == 0
    assert "worker-to-stop" not in [thread.name for thread in threading.enumerate()]

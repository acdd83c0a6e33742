"""The simulated engine core: who runs, who waits, and whether it is alive, asleep or dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from modelops.simulator.errors import engine_dead
from modelops.simulator.faults import Fault, FaultSchedule
from modelops.simulator.flags import ServeSettings
from modelops.simulator.memory import plan_memory
from modelops.simulator.metrics import Gauges, Metrics

_WAKE_UP_S = 0.1


@dataclass(slots=True, eq=False)
class RunningRequest:
    """One admitted request and the KV cache tokens it holds."""

    sequences: int
    tokens: int
    task: asyncio.Task[object]


class SimulatedEngine:
    """State of one engine; every method must be called on the server's event loop."""

    def __init__(self, settings: ServeSettings, *, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.memory = plan_memory(settings)
        self.metrics = Metrics()
        simulation = settings.simulation
        self.faults = FaultSchedule(
            faults=simulation.faults,
            after=simulation.after,
            times=simulation.times,
            status=simulation.status,
        )
        self.died = asyncio.Event()
        self.is_frozen = False
        self.sleep_level = 0
        self.has_lost_weights = False
        self._is_draining = False
        self._never_healthy = Fault.NEVER_HEALTHY in simulation.faults
        self._seats = asyncio.Semaphore(settings.max_num_seqs)
        self._awake = asyncio.Event()
        self._awake.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._running: set[RunningRequest] = set()
        self._waiting: dict[asyncio.Task[object], int] = {}

    @property
    def is_healthy(self) -> bool:
        """Whether ``/health`` answers 200."""
        return not (self.died.is_set() or self._never_healthy)

    def gauges(self) -> Gauges:
        """Running and waiting requests, KV use and sleep level, right now."""
        used = sum(running.tokens for running in self._running)
        return Gauges(
            running=sum(each.sequences for each in self._running),
            waiting=sum(self._waiting.values()),
            kv_cache_usage=min(1.0, used / self.memory.kv_tokens),
            sleep_level=self.sleep_level,
        )

    @asynccontextmanager
    async def admit(self, *, sequences: int, prompt_tokens: int) -> AsyncIterator[RunningRequest]:
        """Wait for a seat, hold it, and give it up at once when the caller ends or is cancelled.

        Raises ApiError 500 when the engine is dead or stopping.
        """
        if not self.is_healthy or self._is_draining:
            raise engine_dead()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in a task here
        self._idle.clear()
        self._waiting[task] = sequences
        try:
            await self._awake.wait()
            await self._seats.acquire()
        except BaseException:
            self._forget(task)
            raise
        del self._waiting[task]
        running = RunningRequest(sequences=sequences, tokens=prompt_tokens, task=task)
        self._running.add(running)
        self.metrics.prompt_tokens += prompt_tokens
        try:
            yield running
        finally:
            self._running.discard(running)
            self._seats.release()
            self._forget(task)

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._waiting.pop(task, None)
        if not self._running and not self._waiting:
            self._idle.set()

    def die(self) -> None:
        """Kill the engine core: every request in flight ends with an error. Idempotent."""
        if self.died.is_set():
            return
        self.died.set()
        self._cancel_requests()

    def abort(self) -> None:
        """Cut every request in flight: its connection closes without a last word."""
        self._cancel_requests()

    def freeze(self) -> None:
        """Stop generating for ever; requests in flight fall silent until their clients leave."""
        self.is_frozen = True
        self._cancel_requests()

    def _cancel_requests(self) -> None:
        for task in [running.task for running in self._running] + list(self._waiting):
            if task is not asyncio.current_task():
                task.cancel()

    async def drain(self, timeout_s: float | None) -> None:
        """Take no new requests and wait until the running ones end, at most ``timeout_s``."""
        self._is_draining = True
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return

    def sleep(self, level: int) -> None:
        """Offload the weights (level 1) or drop them (level 2); requests wait until awake."""
        self._awake.clear()
        self.sleep_level = level
        self.has_lost_weights = self.has_lost_weights or level == 2

    async def wake_up(self) -> None:
        """Serve again. After level 2 the weights are gone and the text is garbage, as with vLLM."""
        await asyncio.sleep(_WAKE_UP_S)
        self.sleep_level = 0
        self._awake.set()

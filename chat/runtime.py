"""What the chat plane shares within one process: its clients, caches and background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from redis.asyncio import BlockingConnectionPool, Redis

from accounts.authentication import Authenticator
from accounts.limits import Counter, MemoryCounter, RateLimiter, RedisCounter
from chat.cancellation import Cancellation
from chat.generation import Timeouts
from chat.recording import Recorder
from chat.registry import Registry
from chat.upstream import EngineGateway
from gateway.batching import BatchWorker
from gateway.conf import GatewayConfig, get_config
from gateway.errors import GatewayError
from modelops.engine import EngineClient
from modelops.live import EngineDirectory

log = structlog.get_logger()

REDIS_CONNECTIONS = 16
REDIS_TIMEOUT_S = 3.0
SWEEP_PERIOD_S = 5.0
STOP_TIMEOUT_S = 5.0


@dataclass
class Runtime:
    config: GatewayConfig
    worker: BatchWorker
    redis: Redis | None
    engine_client: EngineClient
    engine: EngineGateway
    directory: EngineDirectory
    authenticator: Authenticator
    limiter: RateLimiter
    recorder: Recorder
    registry: Registry
    cancellation: Cancellation
    timeouts: Timeouts
    tasks: list[asyncio.Task[None]]
    is_draining: bool = False

    def start_background_tasks(self) -> None:
        self.tasks = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("engine-watch", self.directory.watch()),
                ("checkpoints", self._repeat(self._save_running, self.config.checkpoint_interval_s)),
                ("sweeper", self._repeat(self._sweep, SWEEP_PERIOD_S)),
                ("cancel-listener", self.cancellation.listen()),
            )
        ]

    async def _save_running(self) -> None:
        running = self.registry.snapshot()
        if running:
            await self.recorder.checkpoint(running)

    async def _sweep(self) -> None:
        await self.recorder.sweep()

    async def _repeat(self, work: Callable[[], Awaitable[None]], period_s: float) -> None:
        while True:
            await asyncio.sleep(period_s)
            try:
                await work()
            except GatewayError as exc:
                log.warning("background_work_failed", work=work.__name__, error=exc.code)

    async def stop(self) -> None:
        """End the background tasks, wait (bounded) for answers to be saved, close the clients."""
        self.is_draining = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.registry.emptied()
                await self.recorder.settled()
        except TimeoutError:
            log.error("answers_left_unsaved", running=len(self.registry.snapshot()))
        await self.worker.stop()
        await self.engine.close()
        await self.engine_client.close()
        if self.redis is not None:
            await self.redis.aclose()


async def start_runtime(config: GatewayConfig) -> Runtime:
    """A running runtime for this process and event loop."""
    worker = BatchWorker()
    redis = _connect_redis(config.redis_url) if config.redis_url else None
    engine_client = EngineClient(config.engine_url, api_key=config.vllm_api_key)
    registry = Registry()
    recorder = Recorder(worker, lease_s=config.message_lease_s)
    counter: Counter = MemoryCounter() if redis is None else RedisCounter(redis)
    runtime = Runtime(
        config=config,
        worker=worker,
        redis=redis,
        engine_client=engine_client,
        engine=EngineGateway(
            config.engine_url,
            api_key=config.vllm_api_key,
            connect_timeout_s=config.upstream_connect_timeout_s,
        ),
        directory=EngineDirectory(engine_client),
        authenticator=Authenticator(worker),
        limiter=RateLimiter(counter, limit=config.rate_limit_requests, window_s=config.rate_limit_window_s),
        recorder=recorder,
        registry=registry,
        cancellation=Cancellation(registry=registry, recorder=recorder, redis=redis),
        timeouts=Timeouts(
            first_byte_s=config.upstream_first_byte_timeout_s,
            idle_s=config.upstream_idle_timeout_s,
            total_s=config.generation_timeout_s,
            send_s=config.send_timeout_s,
            ping_s=config.ping_interval_s,
        ),
        tasks=[],
    )
    # Without Redis this is the only web process, so whatever still says "streaming" is an orphan.
    await _close_orphans(recorder, everything=redis is None)
    await runtime.directory.refresh()
    runtime.start_background_tasks()
    return runtime


async def _close_orphans(recorder: Recorder, *, everything: bool) -> None:
    try:
        await recorder.sweep(everything=everything)
    except GatewayError as exc:
        log.warning("first_sweep_failed", error=exc.code)


def _connect_redis(url: str) -> Redis:
    # Blocking: a burst waits for a connection instead of failing.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=REDIS_CONNECTIONS,
        timeout=REDIS_TIMEOUT_S,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
    )
    return Redis(connection_pool=pool)


_runtime: asyncio.Future[Runtime] | None = None


async def get_runtime() -> Runtime:
    """This process's runtime, started on first use: not every ASGI server has lifespan events (daphne)."""
    global _runtime
    if _runtime is None:
        _runtime = asyncio.ensure_future(start_runtime(get_config()))
    return await asyncio.shield(_runtime)


async def stop_runtime() -> None:
    global _runtime
    if _runtime is not None:
        runtime, _runtime = await _runtime, None
        await runtime.stop()

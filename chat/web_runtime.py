"""The clients, caches and background tasks that the chat plane shares within one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog
from redis.asyncio import Redis
from starlette.requests import Request

from accounts.authentication import Authenticator
from accounts.limits.limiter import Limiter
from accounts.limits.rules import parse_rate
from accounts.limits.without_redis import open_limits
from accounts.principals import Principal
from accounts.redis_batch import RedisBatch
from accounts.request_admission import RequestAdmission
from accounts.stamps import announce_forced_changes, open_stamps
from accounts.usage.log import UsageLog
from chat.answer_feeds import AnswerFeeds, make_feeds
from chat.cancellation import Cancellation
from chat.engine_admission import EngineAdmission, WaitLimits
from chat.generation import Timeouts
from chat.model_events import ModelEvents
from chat.presence import PresenceKeeper
from chat.recording import Recorder
from chat.redis_connection import connect_redis
from chat.registry import Registry
from chat.stop_notice import call_at_stop
from chat.switching import ChatSwitchRequest, request_switches
from chat.titles import TitleWriter
from chat.turn_recording import TurnRecorder
from chat.upstream import EngineGateway
from chat.waking import WakeRequests
from gateway.audit import ChatCaller
from gateway.batching import BatchWorker
from gateway.conf import GatewayConfig, get_config
from gateway.database.changes import listening
from gateway.errors import GatewayError
from gateway.locks import lock_folder
from gateway.request_id import current_request_id
from modelops.serving.candidates import CandidateWatch
from modelops.serving.live import LiveBoard
from modelops.serving.model_tasks import ModelTask
from modelops.serving.process_starts import WEB, count_starts

log = structlog.get_logger()

SWEEP_PERIOD_S = 5.0
LIMITS_PERIOD_S = 4.0
USAGE_PERIOD_S = 5.0
RESTART_PERIOD_S = 1.0
STOP_TIMEOUT_S = 5.0


@dataclass
class WebRuntime:
    config: GatewayConfig
    worker: BatchWorker
    redis: Redis | None
    board_worker: BatchWorker
    """Reads the board and writes this process's presence; apart, so that it never waits for chats."""
    board: LiveBoard
    engine_admission: EngineAdmission
    candidates: CandidateWatch
    presence: PresenceKeeper
    wake_requests: WakeRequests
    engine: EngineGateway
    authenticator: Authenticator
    limiter: Limiter
    usage: UsageLog
    request_admission: RequestAdmission
    recorder: Recorder
    turns: TurnRecorder
    registry: Registry
    responses: Registry
    """Stored responses of OpenAI's API that are running here."""
    cancellation: Cancellation
    feeds: AnswerFeeds
    model_events: ModelEvents
    titles: TitleWriter
    timeouts: Timeouts
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    lock: IO[str] | None = None
    """Held while this is the only web process on its data folder, as it has to be without Redis."""

    def start_background_tasks(self) -> None:
        background: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._watch_board, RESTART_PERIOD_S),
            (self.board.watch_engine, RESTART_PERIOD_S),
            (self._keep_presence, RESTART_PERIOD_S),
            (self._watch_candidates, RESTART_PERIOD_S),
            (self.wake_requests.keep, RESTART_PERIOD_S),
            (self._save_running, self.config.checkpoint_interval_s),
            (self._sweep, SWEEP_PERIOD_S),
            (self._follow_limits, LIMITS_PERIOD_S),
            (self.limiter.renew_leases, self.config.stream_lease_s / 3),
            (self._write_usage, USAGE_PERIOD_S),
        ]
        if self.redis is not None:
            background.append((self.feeds.listen, RESTART_PERIOD_S))
            background.append((self.cancellation.listen, RESTART_PERIOD_S))
            background.append((self._announce_forced_changes, LIMITS_PERIOD_S))
        self.tasks = [asyncio.create_task(self._repeat(work, period_s)) for work, period_s in background]

    async def _watch_board(self) -> None:
        with listening(self.board.look_soon):
            await self.board.watch()

    async def _keep_presence(self) -> None:
        await self.presence.keep(self.engine_admission)

    async def _watch_candidates(self) -> None:
        await self.candidates.watch(on_change=self.presence.announce)

    async def switch_to(
        self, profile: str, principal: Principal, request: Request, tasks: frozenset[ModelTask]
    ) -> None:
        """Request a switch of the default slot, and refresh the board. Raises GatewayError.

        `tasks` are those of which the request needs one.
        """
        caller = ChatCaller(
            principal.user_id,
            principal.username,
            address=self.request_admission.address_of(request),
            request_id=current_request_id.get(),
        )
        await self.worker.submit(request_switches, ChatSwitchRequest(profile, caller, tasks))
        await self.board.refresh()

    async def _save_running(self) -> None:
        running = self.registry.snapshot()
        if running:
            await self.recorder.checkpoint(running)
            # A published stop may get lost; the row is authoritative.
            await self.cancellation.catch_up()
        else:
            await self.cancellation.stop_ended_responses()
        await self.cancellation.stop_removed()

    async def _follow_limits(self) -> None:
        await self.limiter.refresh(self.board_worker)

    async def _announce_forced_changes(self) -> None:
        if self.redis is not None:
            await announce_forced_changes(self.redis, self.board_worker)

    async def _write_usage(self) -> None:
        await self.usage.flush(self.worker)

    async def _sweep(self) -> None:
        await self.recorder.sweep()

    async def _repeat(self, work: Callable[[], Awaitable[None]], period_s: float) -> None:
        """Run `work` every `period_s`, also after it failed: answers depend on it."""
        while True:
            try:
                await work()
            except GatewayError as exc:
                log.warning("background_work_failed", work=work.__name__, error=exc.code)
            except Exception:
                log.exception("background_work_failed", work=work.__name__)
            await asyncio.sleep(period_s)

    async def stop(self) -> None:
        """End the background tasks, wait (bounded) for answers to be saved, close the clients."""
        self.model_events.close()
        self.feeds.close()
        await self.titles.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.registry.emptied()
                await self.responses.emptied()
                await self.recorder.settled()
                await self.limiter.settled()
                await self.usage.flush(self.worker)
                await self.authenticator.settled()
        except TimeoutError:
            log.error("answers_left_unsaved", running=len(self.registry.snapshot()))
        await self.feeds.stop()
        await self.presence.remove()
        await self.board_worker.stop()
        await self.turns.stop()
        await self.worker.stop()
        await self.engine.close()
        await self.board.close()
        if self.redis is not None:
            await self.redis.aclose()
        if self.lock is not None:
            self.lock.close()


async def start_runtime(config: GatewayConfig) -> WebRuntime:
    """A running runtime for this process and event loop."""
    runtime = _build_runtime(config)
    # For the only web process, every answer that is still marked as streaming is an orphan.
    runtime.lock = hold_alone(Path(config.data_dir)) if runtime.redis is None else None
    await _close_orphans(runtime.recorder, everything=runtime.lock is not None)
    await _join(runtime)
    runtime.start_background_tasks()
    # A server that stops waits for its connections, and a subscriber would stay for ever.
    call_at_stop(runtime.model_events.close)
    call_at_stop(runtime.feeds.close)
    return runtime


def _build_runtime(config: GatewayConfig) -> WebRuntime:
    """The parts of a runtime, connected but not started."""
    worker = BatchWorker(timeout_s=config.database_timeout_s)
    redis = connect_redis(config.redis_url) if config.redis_url else None
    board_worker = BatchWorker("board-worker", timeout_s=config.database_timeout_s)
    board = LiveBoard(board_worker, external_url=config.vllm_base_url, api_key=config.vllm_api_key)
    candidates = CandidateWatch(board)
    presence = PresenceKeeper(board_worker, candidates)
    registry = Registry()
    responses = Registry()
    recorder = Recorder(worker, lease_s=config.message_lease_s)
    batch = RedisBatch(redis) if redis else None
    authenticator = Authenticator(worker, open_stamps(batch))
    usage = UsageLog()
    limiter = Limiter(open_limits(batch, config), usage)
    engine = EngineGateway(connect_timeout_s=config.upstream_connect_timeout_s)
    wake_requests = WakeRequests(board_worker, on_asked=board.look_soon)
    engine_admission = EngineAdmission(
        board, WaitLimits.of(config), on_change=presence.announce, on_wake=wake_requests.ask
    )
    return WebRuntime(
        config=config,
        worker=worker,
        redis=redis,
        board_worker=board_worker,
        board=board,
        engine_admission=engine_admission,
        candidates=candidates,
        presence=presence,
        wake_requests=wake_requests,
        engine=engine,
        authenticator=authenticator,
        limiter=limiter,
        usage=usage,
        request_admission=_request_admission(config, authenticator, limiter),
        recorder=recorder,
        turns=TurnRecorder(worker, engine, account_bytes=config.max_account_bytes),
        registry=registry,
        responses=responses,
        cancellation=Cancellation(registry=registry, responses=responses, recorder=recorder, redis=redis),
        feeds=make_feeds(config, worker, registry, redis),
        model_events=ModelEvents(board_worker),
        titles=TitleWriter(config, board, engine_admission, engine, worker=worker, usage=usage),
        timeouts=Timeouts.of(config),
    )


def _request_admission(
    config: GatewayConfig, authenticator: Authenticator, limiter: Limiter
) -> RequestAdmission:
    return RequestAdmission(
        authenticator,
        limiter,
        address_limit=parse_rate(config.address_rate),
        call_limit=parse_rate(config.rest_rate),
        event_streams=config.max_event_streams,
        trusted_proxy_hops=config.trusted_proxy_hops,
    )


def hold_alone(folder: Path) -> IO[str] | None:
    """The web process's lock on its data folder; None, with a warning, when another one holds it."""
    lock = lock_folder(folder, "web.lock")
    if lock is None:
        log.warning("data_folder_shared", folder=str(folder), hint="several web processes need REDIS_URL")
    return lock


async def _join(runtime: WebRuntime) -> None:
    """Write the presence before reading the board, so that no switch misses requests admitted by it."""
    try:
        await runtime.presence.write()
        await runtime.board_worker.submit(count_starts, WEB)
        await runtime.board.refresh()
        await runtime.limiter.refresh(runtime.board_worker)
    except GatewayError as exc:
        log.warning("board_not_read", error=exc.code)
    await runtime.board.ask_engine()


async def _close_orphans(recorder: Recorder, *, everything: bool) -> None:
    try:
        await recorder.sweep(everything=everything)
    except GatewayError as exc:
        log.warning("first_sweep_failed", error=exc.code)


_runtime: asyncio.Future[WebRuntime] | None = None


async def get_runtime() -> WebRuntime:
    """This process's runtime, started on first use: not every ASGI server has lifespan events (daphne)."""
    global _runtime
    if _runtime is None or (_runtime.done() and (_runtime.cancelled() or _runtime.exception())):
        _runtime = asyncio.ensure_future(start_runtime(get_config()))
    return _runtime.result() if _runtime.done() else await asyncio.shield(_runtime)


def find_runtime() -> WebRuntime | None:
    """This process's runtime, if it runs."""
    if _runtime is None or not _runtime.done() or _runtime.cancelled() or _runtime.exception():
        return None
    return _runtime.result()


async def stop_runtime() -> None:
    global _runtime
    if _runtime is not None:
        runtime, _runtime = await _runtime, None
        await runtime.stop()

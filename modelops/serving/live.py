"""What this process knows right now: the board of slots, read from the database, and how the engine is.

Both are kept fresh in the background and stay as they were while database or engine are away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable
from modelops.domain.switching.resting import RestState
from modelops.models import DEFAULT_SLOT
from modelops.serving.board import BoardSnapshot, ServingEngine, SlotView, read_board
from modelops.serving.engine_client import EngineClient, EngineError, EngineRefusedConnection, ServedModel
from modelops.serving.external_engine import ExternalView
from modelops.serving.model_tasks import TaskProbe
from modelops.serving.routes import ExternalRoute, Route, RouteTable

log = structlog.get_logger()

SETTLED_PERIOD_S = 1.0
"""How often the board is read while nothing happens: the word of a change may get lost."""
UNSETTLED_PERIOD_S = 0.05
"""How often while a switch goes on."""
AWAY_PERIOD_S = 1.0
"""How often while the database does not answer."""

READY_PERIOD_S = 4.0
"""How often a ready engine is asked again."""
UNREADY_PERIOD_S = 0.3
"""How often one that is not: so that its readiness is seen soon."""


class EngineHealth(StrEnum):
    """The health of the default slot's engine, by its probes."""

    LOADING = "loading"
    """Nothing listens, and nothing has since this process started: loading its model, or not started."""
    READY = "ready"
    NO_MODEL = "no_model"
    """It answers, and serves nothing."""
    UNREACHABLE = "unreachable"
    """It was ready before, or answers nonsense."""
    SWITCHING = "switching"
    """Requests wait for another one."""
    DEGRADED = "degraded"
    """Nothing serves, because something failed."""
    RESTING = "resting"
    """Nobody used it for a while; the next request wakes it."""


@dataclass(frozen=True)
class EngineSnapshot:
    state: EngineHealth = EngineHealth.LOADING
    models: tuple[ServedModel, ...] = ()
    """Served now; while unreachable, what was served last."""
    latency_ms: float | None = None
    problem: str = ""

    @property
    def is_ready(self) -> bool:
        return self.state is EngineHealth.READY

    @property
    def can_answer(self) -> bool:
        """Also after a wait, as one that rests."""
        return self.state in (EngineHealth.READY, EngineHealth.RESTING)

    @property
    def current(self) -> str | None:
        """The name that `current` stands for."""
        return self.models[0].name if self.models else None


class EngineDirectory:
    """Probes one engine; `refresh` keeps its snapshot up to date."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._task_probe = TaskProbe()
        self._has_answered = False
        self.has_been_asked = False
        self.snapshot = EngineSnapshot()

    async def refresh(self) -> None:
        """Ask the engine once."""
        before = self.snapshot
        try:
            models, latency_ms = await self._client.list_models()
            models = await self._task_probe.add_tasks(self._client, models)
        except EngineError as exc:
            self._task_probe.forget()
            is_first = not self._has_answered and isinstance(exc, EngineRefusedConnection)
            state = EngineHealth.LOADING if is_first else EngineHealth.UNREACHABLE
            self.snapshot = replace(before, state=state, latency_ms=None, problem=exc.wording)
        else:
            self._has_answered = True
            state = EngineHealth.READY if models else EngineHealth.NO_MODEL
            self.snapshot = EngineSnapshot(state, tuple(models), latency_ms)
        self.has_been_asked = True
        if self.snapshot.state is not before.state:
            log.info(
                "engine_state",
                state=self.snapshot.state,
                model=self.snapshot.current,
                problem=self.snapshot.problem or None,
            )

    @property
    def period_s(self) -> float:
        """How soon to ask again."""
        return READY_PERIOD_S if self.snapshot.is_ready else UNREADY_PERIOD_S

    async def close(self) -> None:
        await self._client.close()


class LiveBoard:
    """What is served now, in every slot; one per web process. `resolve` and `status` never wait.

    The database is read on the worker's thread, which should be no other work's: releasing requests must
    not wait for chats being stored. While the database is away the last board stays, and engines serve.
    """

    def __init__(self, worker: BatchWorker, *, external_url: str = "", api_key: str = "") -> None:
        self._worker = worker
        self._external_url = external_url
        self._api_key = api_key
        self._listeners: list[Callable[[BoardSnapshot], None]] = []
        self._probed_url = self._probed_key = ""
        self._probe: EngineDirectory | None = None
        self._probe_moved = asyncio.Event()
        self._is_stale = asyncio.Event()
        self.snapshot: BoardSnapshot | None = None
        self.routes = RouteTable(external=self._external)
        self._aim_probe()

    def subscribe(self, listener: Callable[[BoardSnapshot], None]) -> None:
        """Call `listener` at once whenever what is served, or how a switch goes, has changed."""
        self._listeners.append(listener)

    def resolve(self, name: str, *, may_switch: bool = False) -> Route:
        """See RouteTable.resolve."""
        return self.routes.resolve(name, may_switch=may_switch)

    def slot(self, slug: str) -> SlotView | None:
        slots = self.snapshot.slots if self.snapshot else ()
        return next((slot for slot in slots if slot.slug == slug), None)

    async def refresh(self) -> None:
        """Read the board once. Raises DependencyUnavailable; the board is then as it was."""
        snapshot = await self._worker.submit(read_board, self.snapshot)
        is_new = snapshot != self.snapshot
        self.snapshot = snapshot
        if is_new:
            self._tell()

    def look_soon(self) -> None:
        """Have `watch` read the board now: something has changed."""
        self._is_stale.set()

    async def watch(self) -> None:
        """Read the board for ever: every now and then, and after each `look_soon`."""
        while True:
            self._is_stale.clear()
            period_s = AWAY_PERIOD_S
            with contextlib.suppress(DependencyUnavailable):  # the worker has logged it
                await self.refresh()
                is_settled = self.snapshot is None or self.snapshot.is_settled
                period_s = SETTLED_PERIOD_S if is_settled else UNSETTLED_PERIOD_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period_s):
                    await self._is_stale.wait()

    async def watch_engine(self) -> None:
        """Ask the default slot's engine for ever how it is."""
        while True:
            self._probe_moved.clear()
            probe = self._probe
            if probe is not None:
                before = probe.snapshot.models, probe.snapshot.state
                await probe.refresh()
                if probe is self._probe and before != (probe.snapshot.models, probe.snapshot.state):
                    self._tell()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(probe.period_s if probe else None):
                    await self._probe_moved.wait()
            if probe is not None and probe is not self._probe:
                await probe.close()

    async def ask_engine(self) -> None:
        """Ask the default slot's engine once how it is."""
        if self._probe is not None:
            await self._probe.refresh()
            self._tell()

    async def close(self) -> None:
        if self._probe is not None:
            await self._probe.close()

    @property
    def status(self) -> EngineSnapshot:
        """How the default slot's engine is: state, names, latency."""
        seen = self._probe.snapshot if self._probe else EngineSnapshot()
        if self.snapshot is None or self.routes.uses_external:
            return seen
        slot = self.snapshot.default
        if slot is None:
            return EngineSnapshot()
        if slot.engine is None or not slot.is_open:
            return _status_without_engine(slot, _models_of(slot))
        models = _models_of(slot)
        if self._probe is None or not self._probe.has_been_asked or seen.is_ready:
            return EngineSnapshot(EngineHealth.READY, models, seen.latency_ms)
        return EngineSnapshot(EngineHealth.UNREACHABLE, models, problem=seen.problem)

    def list_models(self) -> list[ServedModel]:
        """The default slot's models, as `current` means them, in the engine's order."""
        if self.routes.uses_external and self._probe is not None:
            return list(self._probe.snapshot.models)
        default = self.snapshot.default if self.snapshot else None
        return list(_models_of(default))

    def list_further_models(self) -> list[ServedModel]:
        """The other slots' models."""
        slots = self.snapshot.slots if self.snapshot else ()
        return [model for slot in slots if slot.slug != DEFAULT_SLOT for model in _models_of(slot)]

    def view_external(self) -> ExternalView | None:
        """The engine of VLLM_BASE_URL as it was seen last; None where no address is set."""
        if not self._external_url:
            return None
        if self._probe is None or self._probed_url != self._external_url:
            return ExternalView()
        seen = self._probe.snapshot
        if seen.state in (EngineHealth.LOADING, EngineHealth.UNREACHABLE):
            return ExternalView(problem=seen.problem, is_loading=seen.state is EngineHealth.LOADING)
        return ExternalView(seen.models)

    def _tell(self) -> None:
        self._aim_probe()
        self.routes = RouteTable(self.snapshot, self._external)
        if self.snapshot is not None:
            for listener in self._listeners:
                listener(self.snapshot)

    @property
    def _external(self) -> ExternalRoute | None:
        """The engine of VLLM_BASE_URL as it was seen last."""
        if not self._external_url:
            return None
        seen = EngineSnapshot()
        if self._probe is not None and self._probed_url == self._external_url:
            seen = self._probe.snapshot
        return ExternalRoute(
            base_url=self._external_url,
            api_key=self._api_key,
            models=seen.models,
            serves_nothing=seen.state is EngineHealth.NO_MODEL,
        )

    def _aim_probe(self) -> None:
        """Ask whichever engine serves the default slot from now on."""
        slot = self.snapshot.default if self.snapshot else None
        engine = slot.engine if slot is not None else None
        url, key = (engine.base_url, engine.api_key) if engine else (self._external_url, self._api_key)
        if (url, key) == (self._probed_url, self._probed_key):
            return
        self._probed_url, self._probed_key = url, key
        self._probe = EngineDirectory(EngineClient(url, api_key=key)) if url else None
        self._probe_moved.set()


def _status_without_engine(slot: SlotView, models: tuple[ServedModel, ...]) -> EngineSnapshot:
    switch = slot.switch
    if switch is None and slot.rest is not RestState.AWAKE:
        return EngineSnapshot(EngineHealth.RESTING, models)
    if switch is not None:
        return EngineSnapshot(EngineHealth.SWITCHING if switch.from_profile else EngineHealth.LOADING)
    if slot.engine is not None:
        return EngineSnapshot(EngineHealth.SWITCHING)
    if slot.problem is not None:
        return EngineSnapshot(EngineHealth.DEGRADED, problem=slot.problem.get("message") or "")
    return EngineSnapshot(EngineHealth.LOADING if slot.desired_profile else EngineHealth.NO_MODEL)


def _models_of(slot: SlotView | None) -> tuple[ServedModel, ...]:
    engine = (slot.engine or slot.resting) if slot is not None else None
    if slot is None or engine is None:
        return ()
    models = (_served_model(engine, name) for name in engine.names)
    return tuple(replace(model, is_resting=slot.engine is None) for model in models)


def _served_model(engine: ServingEngine, name: str) -> ServedModel:
    """The model under one of its names, with the card that the engine wrote for that or the first."""
    card = next((card for card in engine.cards if card.get("id") == name), None)
    if card is None:
        first = engine.cards[0] if engine.cards else {"object": "model", "owned_by": "vllm"}
        card = {**first, "id": name, "max_model_len": engine.max_model_len}
    return ServedModel(name, engine.max_model_len, dict(card), engine.tasks)

"""What this process knows of the engine right now, kept fresh by asking it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog

from gateway.errors import ModelLoading, ModelNotFound, NoModel
from modelops.engine import EngineClient, EngineError, EngineRefusedConnection, ServedModel

log = structlog.get_logger()

READY_PERIOD_S = 2.0
"""How often a ready engine is asked again."""
UNREADY_PERIOD_S = 0.3
"""How often one that is not: so that its readiness is seen soon."""

CURRENT = "current"
"""The alias of whatever is served."""


class EngineState(StrEnum):
    LOADING = "loading"
    """Nothing listens, and nothing has since this process started: loading its model, or not started."""
    READY = "ready"
    NO_MODEL = "no_model"
    """It answers, and serves nothing."""
    UNREACHABLE = "unreachable"
    """It was ready before, or answers nonsense."""


@dataclass(frozen=True)
class EngineSnapshot:
    state: EngineState = EngineState.LOADING
    models: tuple[ServedModel, ...] = ()
    """Served now; while unreachable, what was served last."""
    latency_ms: float | None = None
    problem: str = ""

    @property
    def is_ready(self) -> bool:
        return self.state is EngineState.READY

    @property
    def current(self) -> str | None:
        """The name that `current` stands for."""
        return self.models[0].name if self.models else None


class EngineDirectory:
    """The engine's served models by name. `watch` keeps the snapshot fresh; `resolve` never waits."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._has_answered = False
        self.snapshot = EngineSnapshot()

    async def refresh(self) -> None:
        """Ask the engine once."""
        before = self.snapshot
        try:
            models, latency_ms = await self._client.list_models()
        except EngineError as exc:
            is_first = not self._has_answered and isinstance(exc, EngineRefusedConnection)
            state = EngineState.LOADING if is_first else EngineState.UNREACHABLE
            self.snapshot = replace(before, state=state, latency_ms=None, problem=str(exc))
        else:
            self._has_answered = True
            state = EngineState.READY if models else EngineState.NO_MODEL
            self.snapshot = EngineSnapshot(state, tuple(models), latency_ms)
        if self.snapshot.state is not before.state:
            log.info(
                "engine_state",
                state=self.snapshot.state,
                model=self.snapshot.current,
                problem=self.snapshot.problem or None,
            )

    async def watch(self) -> None:
        """Refresh for ever."""
        while True:
            await self.refresh()
            period_s = READY_PERIOD_S if self.snapshot.is_ready else UNREADY_PERIOD_S
            await asyncio.sleep(period_s)

    def resolve(self, name: str) -> ServedModel:
        """The served model of this name; `current` and the empty name mean the first.

        While the engine is unreachable its last models stay resolvable: the request itself then meets
        the failure, and reports it as it is. Raises ModelLoading, NoModel or ModelNotFound.
        """
        models = self.snapshot.models
        if not models:
            if self.snapshot.state is EngineState.NO_MODEL:
                raise NoModel("The engine is running and serves no model.")
            raise ModelLoading(
                "No engine has answered since this gateway started: "
                "it is loading its model, or it is not running."
            )
        if name in {"", CURRENT}:
            return models[0]
        for model in models:
            if model.name == name:
                return model
        served = ", ".join(m.name for m in models)
        raise ModelNotFound(f"The model `{name}` is not served. Served now: {served}.", param="model")

"""The engine at VLLM_BASE_URL, as far as a page that shows a status has to know it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from gateway.conf import GatewayConfig
from modelops.serving.engine_client import EngineClient, EngineError, EngineRefusedConnection, ServedModel
from modelops.serving.model_tasks import TaskProbe

ASK_TIMEOUT_S = 1.0
ANSWER_AGE_S = 2.0
"""How old an answer may be: the engine is asked this often at most, however many callers there are."""


@dataclass(frozen=True)
class ExternalView:
    """What it answered last. `is_loading` while nothing has listened there since this process started."""

    models: tuple[ServedModel, ...] = ()
    problem: str = ""
    is_loading: bool = False


class ExternalEngine:
    """The engine of VLLM_BASE_URL, which its operator starts. Safe to share between threads."""

    def __init__(
        self, base_url: str, *, api_key: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._clock = clock
        self._lock = threading.Lock()
        self._task_probe = TaskProbe()
        self._has_answered = False
        self._view = ExternalView()
        self._asked_at: float | None = None

    def look(self) -> ExternalView:
        """What it serves; blocks for a second at most. Not from a thread that runs an event loop."""
        with self._lock:
            if self._asked_at is None or self._clock() - self._asked_at >= ANSWER_AGE_S:
                # A loop of its own: making a client takes tens of milliseconds, which the loop that carries
                # the streams must not lose.
                self._view = asyncio.run(self._ask())
                self._asked_at = self._clock()
            return self._view

    async def _ask(self) -> ExternalView:
        client = EngineClient(self._base_url, api_key=self._api_key, timeout_s=ASK_TIMEOUT_S)
        try:
            models, _latency_ms = await client.list_models()
            models = await self._task_probe.add_tasks(client, models)
        except EngineError as exc:
            self._task_probe.forget()
            is_loading = isinstance(exc, EngineRefusedConnection) and not self._has_answered
            return ExternalView(problem=exc.wording, is_loading=is_loading)
        finally:
            await client.close()
        self._has_answered = True
        return ExternalView(tuple(models))


def get_external_engine(config: GatewayConfig) -> ExternalEngine | None:
    """None where no VLLM_BASE_URL is set."""
    return _make(config.vllm_base_url, config.vllm_api_key) if config.vllm_base_url else None


@lru_cache(maxsize=1)
def _make(base_url: str, api_key: str) -> ExternalEngine:
    return ExternalEngine(base_url, api_key=api_key)

"""Control calls to the engine over HTTP: is it there, and what does it serve?

Completions do not pass here: they are `chat.upstream`'s.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from gateway.bodies import NOT_JSON
from gateway.wording import fill_in
from modelops.domain.tasks import ModelTask
from modelops.serving.engine_tls import get_engine_tls


@dataclass(frozen=True)
class ServedModel:
    """One entry of the engine's /v1/models."""

    name: str
    max_model_len: int | None
    card: dict[str, Any]
    """The entry as the engine wrote it."""
    tasks: tuple[ModelTask, ...] | None = None
    """None where they are not known."""
    is_resting: bool = False
    """Its engine sleeps or was stopped, and the next request wakes it."""


class EngineError(Exception):
    """The engine did not answer as an engine does. The message says what happened."""

    def __init__(self, wording: str) -> None:
        super().__init__(wording)
        self.wording = wording


class EngineRefusedConnection(EngineError):
    """Nothing listens there: the engine is down, or still loading (vLLM listens only when ready)."""


def _as_context(value: Any) -> int | None:
    """The context in tokens; None for what is none."""
    return value if type(value) is int and value > 0 else None


class EngineClient:
    """Asks one engine. Every call is bounded in time."""

    def __init__(self, base_url: str, *, api_key: str = "", timeout_s: float = 3.0) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=timeout_s,
            verify=get_engine_tls(),
            trust_env=False,
            follow_redirects=False,
        )

    async def list_models(self) -> tuple[list[ServedModel], float]:
        """What the engine serves, and how long it took to say so in milliseconds. Raises EngineError."""
        started = time.perf_counter()
        content = await self._get_json("/v1/models")
        try:
            models = [
                ServedModel(str(card["id"]), _as_context(card.get("max_model_len")), card)
                for card in content["data"]
            ]
        except (KeyError, TypeError, AttributeError) as exc:
            raise EngineError(fill_in("its /v1/models is not a model list")) from exc
        return models, round((time.perf_counter() - started) * 1000, 1)

    async def find_status(self, path: str) -> int:
        """How it answers GET for a path. Raises EngineError."""
        return (await self._get(path)).status_code

    async def check_health(self, path: str = "/health") -> None:
        """Raises EngineError unless the path, which needs no key, answers 200."""
        response = await self._get(path)
        if response.status_code != 200:
            raise EngineError(
                fill_in("it answered {path} with {status_code}", path=path, status_code=response.status_code)
            )

    async def _get_json(self, path: str) -> Any:
        response = await self._get(path)
        if response.status_code in {401, 403}:
            raise EngineError(fill_in("it refused the gateway's key: check VLLM_API_KEY"))
        if response.status_code != 200:
            raise EngineError(
                fill_in("it answered {path} with {status_code}", path=path, status_code=response.status_code)
            )
        try:
            return msgspec.json.decode(response.content)
        except NOT_JSON as exc:
            raise EngineError(fill_in("its {path} is not JSON", path=path)) from exc

    async def _get(self, path: str) -> httpx.Response:
        try:
            # httpx bounds each read; this bounds them all.
            async with asyncio.timeout(self._timeout_s):
                return await self._client.get(path)
        except httpx.ConnectError as exc:
            raise EngineRefusedConnection(fill_in("it does not accept connections")) from exc
        except (httpx.TimeoutException, TimeoutError) as exc:
            raise EngineError(fill_in("it did not answer in time")) from exc
        except httpx.HTTPError as exc:
            raise EngineError(fill_in("the connection failed ({error})", error=type(exc).__name__)) from exc

    async def close(self) -> None:
        await self._client.aclose()

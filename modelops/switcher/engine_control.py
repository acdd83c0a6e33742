"""What the switcher asks of an engine over HTTP: is it well, does it serve what it should, sleep, wake up.

Blocking and bounded in time. Web processes ask through `modelops.serving.engine_client`.
"""

from __future__ import annotations

from typing import Any

import httpx

from gateway.conf import GatewayConfig
from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.runtimes import find_health_path
from modelops.domain.tasks import TASK_PATHS, ModelTask, read_tasks
from modelops.models import Engine
from modelops.serving.engine_keys import find_engine_key
from modelops.serving.engine_tls import get_engine_tls
from modelops.switcher.canary import Canary, choose_canary

HEALTH_TIMEOUT_S = 2.0
CANARY_TIMEOUT_S = 60.0
"""The first completion after a start may compile something."""
SLEEP_TIMEOUT_S = 120.0
"""Weights of tens of GiB go through host memory."""


class EngineMismatch(Exception):
    """The engine listens, and is not what was asked for."""

    def __init__(self, cause: RootCause) -> None:
        super().__init__(cause.message)
        self.cause = cause


class EngineControl:
    """One for all engines of a switcher; safe to use from several threads."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._client = httpx.Client(
            timeout=HEALTH_TIMEOUT_S, verify=get_engine_tls(), trust_env=False, follow_redirects=False
        )

    def is_healthy(self, engine: Engine) -> bool:
        """Whether it answers 200 where it says that it is well, and takes the key that web processes send:
        one that refuses it serves nobody. Refused at once while the model loads."""
        try:
            if self._get(engine, find_health_path(engine.runtime)).status_code != 200:
                return False
            return not engine.has_own_key or self._get(engine, "/v1/models").status_code not in (401, 403)
        except httpx.HTTPError:
            return False

    def verify(self, engine: Engine, *, least_context: int | None, is_pooling: bool) -> list[dict[str, Any]]:
        """The engine's model cards, with its tasks where it tells them.

        Raises EngineMismatch where name, context or completion is wrong.
        """
        model_name = engine.model_name
        cards = self._list_cards(engine)
        served = [str(card.get("id")) for card in cards]
        if model_name not in served:
            raise EngineMismatch(
                describe_cause(Cause.WRONG_SERVED_NAME, expected=model_name, found=", ".join(served))
            )
        context = next(card.get("max_model_len") for card in cards if card.get("id") == model_name)
        if least_context and context is not None and context < least_context:
            raise EngineMismatch(
                describe_cause(Cause.CONTEXT_TOO_SHORT, expected=least_context, found=context)
            )
        tasks = self._find_tasks(engine, is_simulated=bool(cards[0].get("simulated")))
        expected = (ModelTask.EMBED,) if is_pooling else (ModelTask.GENERATE,)
        self._complete_canary(engine, choose_canary(engine.model_name, tasks or expected))
        return [{**card, "tasks": tasks} for card in cards] if tasks else cards

    def read_metrics(self, base_url: str) -> str:
        """The text of an engine's /metrics, which needs no key. Raises httpx.HTTPError."""
        return self._client.get(f"{base_url}/metrics").raise_for_status().text

    def sleep(self, engine: Engine) -> None:
        """Level 1: the weights move to host memory. Raises EngineMismatch."""
        self._post(engine, "/sleep?level=1", SLEEP_TIMEOUT_S)

    def wake_up(self, engine: Engine) -> None:
        """Raises EngineMismatch."""
        self._post(engine, "/wake_up", SLEEP_TIMEOUT_S)

    def close(self) -> None:
        self._client.close()

    def _list_cards(self, engine: Engine) -> list[dict[str, Any]]:
        try:
            response = self._get(engine, "/v1/models")
            cards = response.raise_for_status().json()["data"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as exc:
            raise EngineMismatch(describe_cause(Cause.NOT_HEALTHY, error=str(exc))) from exc
        return [complete_card(card) for card in cards if isinstance(card, dict)]

    def _find_tasks(self, engine: Engine, *, is_simulated: bool) -> tuple[ModelTask, ...] | None:
        try:
            statuses = {task: self._get(engine, path).status_code for task, path in TASK_PATHS.items()}
        except httpx.HTTPError:
            return None
        return read_tasks(statuses, is_simulated=is_simulated)

    def _complete_canary(self, engine: Engine, canary: Canary) -> None:
        answer = self._post(engine, canary.path, CANARY_TIMEOUT_S, **canary.request)
        if not canary.is_answered_by(answer):
            raise EngineMismatch(
                describe_cause(Cause.CANARY_FAILED, error=fill_in("its answer holds no completion"))
            )

    def _get(self, engine: Engine, path: str) -> httpx.Response:
        return self._client.get(f"{engine.base_url}{path}", headers=self._authorize(engine))

    def _authorize(self, engine: Engine) -> dict[str, str]:
        key = find_engine_key(engine, self._config)
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _post(self, engine: Engine, path: str, timeout_s: float, **request: Any) -> dict[str, Any]:
        try:
            response = self._client.post(
                f"{engine.base_url}{path}", headers=self._authorize(engine), timeout=timeout_s, **request
            )
            if response.status_code != 200:
                raise EngineMismatch(_describe_refusal(path, response))
            answer = response.json() if response.content else {}
        except (httpx.HTTPError, ValueError) as exc:
            error = f"{path}: {type(exc).__name__}"
            raise EngineMismatch(describe_cause(Cause.CANARY_FAILED, error=error)) from exc
        return answer if isinstance(answer, dict) else {}


def complete_card(card: dict[str, Any]) -> dict[str, Any]:
    """The card with its context where vLLM writes it; ray.serve.llm has it in `metadata`, -1 for an automatic
    one."""
    metadata = card.get("metadata")
    context = metadata.get("max_request_context_length") if isinstance(metadata, dict) else None
    if card.get("max_model_len") is not None or not isinstance(context, int) or context <= 0:
        return card
    return {**card, "max_model_len": context}


def _describe_refusal(path: str, response: httpx.Response) -> RootCause:
    return describe_cause(
        Cause.CANARY_FAILED,
        error=fill_in("{path} was answered {status_code}", path=path, status_code=response.status_code),
        evidence=response.text[:500].replace("\0", "\ufffd"),
    )

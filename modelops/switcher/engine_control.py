"""What the switcher asks of an engine over HTTP: is it well, does it serve what it should, sleep, wake up.

Blocking and bounded in time. Web processes ask through `modelops.serving.engine_client`.
"""

from __future__ import annotations

from typing import Any

import httpx

from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause

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

    def __init__(self, *, api_key: str = "") -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(
            headers=headers, timeout=HEALTH_TIMEOUT_S, trust_env=False, follow_redirects=False
        )

    def is_healthy(self, base_url: str) -> bool:
        """Whether /health answers 200. Refused at once while the model loads."""
        try:
            return self._client.get(f"{base_url}/health").status_code == 200
        except httpx.HTTPError:
            return False

    def verify(
        self, base_url: str, *, model_name: str, least_context: int | None, is_pooling: bool
    ) -> list[dict[str, Any]]:
        """The engine's model cards. Raises EngineMismatch where name, context or completion is wrong."""
        cards = self._list_cards(base_url)
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
        self._complete_canary(base_url, model_name, is_pooling=is_pooling)
        return cards

    def sleep(self, base_url: str) -> None:
        """Level 1: the weights move to host memory. Raises EngineMismatch."""
        self._post(base_url, "/sleep?level=1", None, SLEEP_TIMEOUT_S)

    def wake_up(self, base_url: str) -> None:
        """Raises EngineMismatch."""
        self._post(base_url, "/wake_up", None, SLEEP_TIMEOUT_S)

    def close(self) -> None:
        self._client.close()

    def _list_cards(self, base_url: str) -> list[dict[str, Any]]:
        try:
            response = self._client.get(f"{base_url}/v1/models")
            cards = response.raise_for_status().json()["data"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as exc:
            raise EngineMismatch(describe_cause(Cause.NOT_HEALTHY, error=str(exc))) from exc
        return [card for card in cards if isinstance(card, dict)]

    def _complete_canary(self, base_url: str, model_name: str, *, is_pooling: bool) -> None:
        """One token of one completion; a pooling model embeds one word instead."""
        if is_pooling:
            body: dict[str, Any] = {"model": model_name, "input": "canary"}
            answer = self._post(base_url, "/v1/embeddings", body, CANARY_TIMEOUT_S)
            is_answer = bool(answer.get("data"))
        else:
            body = {"model": model_name, "prompt": "1", "max_tokens": 1, "temperature": 0}
            answer = self._post(base_url, "/v1/completions", body, CANARY_TIMEOUT_S)
            is_answer = bool(answer.get("choices"))
        if not is_answer:
            raise EngineMismatch(describe_cause(Cause.CANARY_FAILED, error="its answer holds no completion"))

    def _post(self, base_url: str, path: str, body: Any, timeout_s: float) -> dict[str, Any]:
        try:
            response = self._client.post(f"{base_url}{path}", json=body, timeout=timeout_s)
            if response.status_code != 200:
                raise EngineMismatch(_describe_refusal(path, response))
            answer = response.json() if response.content else {}
        except (httpx.HTTPError, ValueError) as exc:
            error = f"{path}: {type(exc).__name__}"
            raise EngineMismatch(describe_cause(Cause.CANARY_FAILED, error=error)) from exc
        return answer if isinstance(answer, dict) else {}


def _describe_refusal(path: str, response: httpx.Response) -> RootCause:
    return describe_cause(
        Cause.CANARY_FAILED,
        error=f"{path} was answered {response.status_code}",
        evidence=response.text[:500].replace("\0", "\ufffd"),
    )

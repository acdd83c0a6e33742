"""The log line of a chat: who asked which model, what it cost and how long it took."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.tests.live import GatewayProcess, wait_until

NAMES = {
    *("user_id", "model", "input_tokens", "output_tokens"),
    *("ttft_ms", "latency_ms", "status", "request_id"),
}


def line_of(gateway: GatewayProcess, request_id: str) -> dict[str, Any]:
    lines = wait_until(
        lambda: [line for line in gateway.log_events("request") if line["request_id"] == request_id],
        what="the line to be written",
    )
    (line,) = lines
    return dict(line)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_line_of_a_chat_says_who_asked_what_and_what_it_cost(
    gateway: GatewayProcess, path: str, is_stream: bool
) -> None:
    request_id = f"log-line-{path.count('/')}-{is_stream}"
    body: dict[str, Any] = {"model": "current", "max_tokens": 5, "stream": is_stream}
    body["messages"] = [{"role": "user", "content": "Hello there"}]
    with gateway.client() as client:
        user_id = client.get("/api/auth/me").json()["id"]
        answer = client.post(path, json=body, headers={"x-request-id": request_id})

    line = line_of(gateway, answer.headers["x-request-id"])
    assert line.keys() >= NAMES
    assert (line["user_id"], line["model"], line["status"]) == (user_id, "simulated", 200)
    assert line["input_tokens"] > 0
    assert line["output_tokens"] == 5
    assert line["latency_ms"] > 0
    assert len(line["engine_request_id"]) == 32
    if path == "/v1/chat/completions" and not is_stream:
        # The engine names its answer by the id that it was given.
        assert answer.json()["id"].endswith(line["engine_request_id"])
        assert line["ttft_ms"] is None  # the engine sends it whole
    else:
        assert 0 < line["ttft_ms"] <= line["latency_ms"]


def test_line_of_a_chat_that_the_engine_refused_has_the_same_names(gateway: GatewayProcess) -> None:
    words = "word " * 6000  # more than its context
    with gateway.client() as client:
        answer = client.post(
            "/v1/chat/completions",
            json={"model": "current", "messages": [{"role": "user", "content": words}]},
            headers={"x-request-id": "log-line-refused"},
        )

    line = line_of(gateway, answer.headers["x-request-id"])
    assert line.keys() >= NAMES
    assert (line["status"], line["output_tokens"], line["ttft_ms"]) == (400, 0, None)


def test_line_of_a_stranger_has_no_user(gateway: GatewayProcess) -> None:
    answer = httpx.post(
        f"{gateway.url}/api/chat", json={"content": "x"}, headers={"x-request-id": "log-line-stranger"}
    )

    line = line_of(gateway, answer.headers["x-request-id"])
    assert "user_id" not in line
    assert (line["status"], line["outcome"]) == (401, "invalid_api_key")

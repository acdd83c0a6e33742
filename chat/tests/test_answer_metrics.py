"""What answers leave in the metrics, read from /metrics as Prometheus does."""

from __future__ import annotations

import httpx
import pytest

from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import read_stream
from gateway.tests.live import GatewayProcess
from gateway.tests.scrapes import scrape


def test_an_answer_leaves_the_pace_of_its_tokens_and_what_the_gateway_added(gateway: GatewayProcess) -> None:
    with gateway.client() as client:
        before = scrape(gateway.url)

        read_stream(client, "/api/chat", {"content": "hello", "max_tokens": 8})

    after = scrape(gateway.url)

    def added(name: str) -> float:
        return after.sum(name, model="simulated") - before.sum(name, model="simulated")

    assert added("chat_requests_total") == added("chat_inter_token_latency_seconds_count") == 1
    spent_s = added("chat_request_duration_seconds_sum")
    generated_s = 7 * added("chat_inter_token_latency_seconds_sum")
    assert 0 < generated_s + added("chat_time_to_first_token_seconds_sum") <= spent_s
    overhead = "gateway_overhead_seconds"
    assert after.sum(f"{overhead}_count") - before.sum(f"{overhead}_count") == 1
    assert 0 < after.sum(f"{overhead}_sum") - before.sum(f"{overhead}_sum") < spent_s
    assert added("chat_queue_wait_seconds_count") == after.sum("chat_waiting_requests") == 0


BROKEN_OFF = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'


@pytest.mark.parametrize(
    ("cause", "status", "body"),
    [
        ("server_error", 500, b"{}"),
        ("server_error", 200, b'data: {"error": {"message": "CUDA out of memory", "code": 500}}\n\n'),
        ("key_refused", 401, b"{}"),
        ("rejected", 422, b'{"detail": "no such parser"}'),
        ("invalid_answer", 200, b"data: <html>hello</html>\n\n"),
        ("broken_off", 200, BROKEN_OFF),
    ],
)
def test_an_answer_that_failed_at_the_engine_is_counted_by_its_cause(
    odd_gateway: GatewayProcess,
    odd_client: httpx.Client,
    scripted_engine: ScriptedEngine,
    cause: str,
    status: int,
    body: bytes,
) -> None:
    def failed() -> dict[str, float]:
        found = scrape(odd_gateway.url)
        name = "gateway_upstream_errors_total"
        return {
            labels["cause"]: found.sum(name, model="scripted", **{"cause": labels["cause"]})
            for labels in found.find(name)
        }

    before = failed()
    scripted_engine.reply(body, status=status)

    read_stream(odd_client, "/api/chat", {"content": "hello"})

    assert failed() == before | {cause: before.get(cause, 0) + 1}

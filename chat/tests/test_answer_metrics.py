"""What answers leave in the metrics, read from /metrics as Prometheus does."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from chat.accounting import account_for
from chat.generation import Generation, Timeouts
from chat.slot_queues import RouteRequest
from chat.tests.admission_bench import Bench
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import read_stream
from chat.upstream import EngineCall, EngineGateway
from gateway.errors import ModelLoading
from gateway.tests.live import GatewayProcess
from gateway.tests.scrapes import scrape
from gateway.tracing import AnswerTrace
from modelops.models import Gate
from modelops.serving.routes import Route
from modelops.tests.serving.board_views import engine, slot, switch


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


def refuse(_route: Route) -> EngineCall:
    raise ModelLoading


async def test_a_wait_is_counted_while_it_lasts_and_measured_and_traced_afterwards() -> None:
    def read(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    bench = Bench(slot(None, switch("a", "b"), gate=Gate.CLOSED, epoch=3))
    generation = Generation(
        admission=bench.admission,
        request=RouteRequest("current", is_stream=False),
        engine=cast("EngineGateway", None),
        make_call=refuse,
        timeouts=Timeouts(first_byte_s=60, idle_s=60, total_s=60, send_s=60, ping_s=60),
        model="b",
        max_bytes=1,
    )
    generation.trace = AnswerTrace(
        provider.get_tracer("test"),
        traceparent=None,
        name="POST /api/chat",
        arrived_at=generation.started_at,
        attributes={},
    )
    before = read("chat_waiting_requests"), read("chat_queue_wait_seconds_count", model="b")

    reading = asyncio.create_task(generation.read())
    await asyncio.sleep(0)
    waiting = read("chat_waiting_requests")
    bench.board.show(slot(engine("b"), epoch=4))
    with pytest.raises(ModelLoading) as refusal:
        await reading
    overhead = read("gateway_overhead_seconds_count")
    account_for({"gateway.log": {}}, generation, refusal.value)

    assert waiting == before[0] + 1
    assert (read("chat_waiting_requests"), read("chat_queue_wait_seconds_count", model="b")) == (
        before[0],
        before[1] + 1,
    )
    assert read("gateway_overhead_seconds_count") == overhead  # it never went to the engine
    wait, request = exporter.get_finished_spans()
    assert (wait.name, request.name) == ("wait for a place", "POST /api/chat")
    assert wait.parent is not None
    assert wait.parent.span_id == request.context.span_id
    assert request.attributes == {"error.type": "model_loading"}
    assert (
        (request.start_time or 0) <= (wait.start_time or 0) <= (wait.end_time or 0) <= (request.end_time or 0)
    )

"""Traces of answers, as an OpenTelemetry collector receives them over OTLP/HTTP."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from chat.tests.scripted_engine import ScriptedEngine, delta_event, usage_event
from chat.tests.streams import read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tracing import open_provider

ANSWER = (
    delta_event("Hel")
    + delta_event("lo", finish_reason="stop")
    + usage_event(prompt_tokens=5, completion_tokens=2)
    + b"data: [DONE]\n\n"
)
CLIENTS_TRACE, CLIENTS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class TraceCollector:
    """What was received, and from whom."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[ExportTraceServiceRequest] = []

    def spans_of(self, trace_id: str) -> dict[str, Span]:
        """By name."""
        return {
            span.name: span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.trace_id.hex() == trace_id
        }

    def wait_for_spans(self, trace_id: str, count: int) -> dict[str, Span]:
        wait_until(lambda: len(self.spans_of(trace_id)) >= count, what=f"{count} spans")
        return self.spans_of(trace_id)


@contextmanager
def start_collector() -> Iterator[TraceCollector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = TraceCollector(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def trace_collector() -> Iterator[TraceCollector]:
    with start_collector() as started:
        yield started


@pytest.fixture(scope="module")
def traced_gateway(
    embedded_stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
    scripted_engine: ScriptedEngine,
    trace_collector: TraceCollector,
) -> Iterator[GatewayProcess]:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": trace_collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    folder = tmp_path_factory.mktemp("traced")
    with start_gateway(embedded_stores, folder, scripted_engine.url, **settings) as gateway:
        yield gateway


@pytest.fixture
def client(traced_gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with traced_gateway.client() as session:
        yield session


def attributes_of(span: Span) -> dict[str, Any]:
    return {each.key: _plain(each) for each in span.attributes}


def _plain(attribute: KeyValue) -> Any:
    value: AnyValue = attribute.value
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [each.string_value for each in value.array_value.values]
    return getattr(value, str(kind))


def test_an_answer_is_a_trace_below_the_clients_span_and_the_engines_parent(
    client: httpx.Client, trace_collector: TraceCollector, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(ANSWER)
    headers = {"traceparent": f"00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-01"}

    reply = read_stream(client, "/api/chat", {"content": "a secret"}, headers=headers)

    spans = trace_collector.wait_for_spans(CLIENTS_TRACE, 2)
    request, engine = spans["POST /api/chat"], spans["chat scripted"]
    assert request.parent_span_id.hex() == CLIENTS_SPAN
    assert engine.parent_span_id == request.span_id
    sent = scripted_engine.received_headers[-1]["traceparent"]
    assert sent == f"00-{CLIENTS_TRACE}-{engine.span_id.hex()}-01"
    times = (request.start_time_unix_nano, engine.start_time_unix_nano)
    assert list(times) == sorted(times)
    assert engine.end_time_unix_nano <= request.end_time_unix_nano
    assert attributes_of(request) == {
        "http.request.method": "POST",
        "http.route": "/api/chat",
        "gateway.request_id": reply.headers["x-request-id"],
    }
    told = attributes_of(engine)
    assert told.pop("gen_ai.latency.time_to_first_token") > 0
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.response.finish_reasons": ["stop"],
        "server.address": "127.0.0.1",
        "server.port": int(scripted_engine.url.rpartition(":")[2]),
    }
    service = trace_collector.requests[0].resource_spans[0].resource.attributes
    assert {each.key: each.value.string_value for each in service}["service.name"] == "vllm-chat-gateway"
    assert all(b"a secret" not in each.SerializeToString() for each in trace_collector.requests)


def test_a_failure_is_an_error_in_both_spans_and_a_client_that_samples_none_gets_none(
    client: httpx.Client, trace_collector: TraceCollector, scripted_engine: ScriptedEngine
) -> None:
    failing, unsampled = "a" * 32, "b" * 32
    scripted_engine.reply(b"{}", status=500)

    for trace, flags in ((unsampled, "00"), (failing, "01")):
        headers = {"traceparent": f"00-{trace}-{CLIENTS_SPAN}-{flags}"}
        client.post("/v1/completions", json={"model": "scripted", "prompt": "x"}, headers=headers)

    spans = trace_collector.wait_for_spans(failing, 2)
    assert set(spans) == {"POST /v1/completions", "text_completion scripted"}
    assert {span.status.code for span in spans.values()} == {Status.STATUS_CODE_ERROR}
    assert {attributes_of(span)["error.type"] for span in spans.values()} == {"upstream_unavailable"}
    assert trace_collector.spans_of(unsampled) == {}
    assert scripted_engine.received_headers[-2]["traceparent"].startswith(f"00-{unsampled}-")
    assert scripted_engine.received_headers[-2]["traceparent"].endswith("-00")


def test_without_the_packages_the_log_says_so_and_nothing_else_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    provider = open_provider.__wrapped__("http://127.0.0.1:9")

    assert provider is None
    assert "traces_not_sent" in "".join(capsys.readouterr())
    assert open_provider("") is None

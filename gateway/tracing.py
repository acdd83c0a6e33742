"""Traces of answers by OpenTelemetry, which is loaded only where OTEL_EXPORTER_OTLP_ENDPOINT is set.

An answer has up to three spans: the request as it came, its wait for a place, and the call of the engine.
That one the engine gets as `traceparent`, for spans of its own below it. Attributes are GenAI's
(https://opentelemetry.io/docs/specs/semconv/gen-ai/); nothing that users or models said is among them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from gateway.conf import get_config

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

log = structlog.get_logger()

SERVICE_NAME = "vllm-chat-gateway"
PROVIDER = "vllm"
EXPORT_TIMEOUT_S = 5
STOP_TIMEOUT_S = 3.0

Attributes = Mapping[str, Any]


class AnswerTrace:
    """The spans of one answer. Times are `time.perf_counter` seconds, as `chat.generation` notes them."""

    def __init__(
        self, tracer: Tracer, *, traceparent: str | None, name: str, arrived_at: float, attributes: Attributes
    ) -> None:
        """`traceparent` is the client's, which is well-formed, or None."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        self._tracer = tracer
        self._request = tracer.start_span(
            name,
            context=_read_parent(traceparent),
            kind=SpanKind.SERVER,
            start_time=_to_epoch_ns(arrived_at),
            attributes=dict(attributes),
        )
        self._context = set_span_in_context(self._request)
        self._engine: Span | None = None

    def add_wait(self, waited_s: float) -> None:
        """The wait for a place that has just ended."""
        now = time.perf_counter()
        span = self._tracer.start_span(
            "wait for a place", context=self._context, start_time=_to_epoch_ns(now - waited_s)
        )
        span.end(_to_epoch_ns(now))

    def begin_engine(self, *, operation: str, model: str, base_url: str) -> str:
        """The call of the engine begins; its `traceparent`."""
        from opentelemetry.trace import SpanKind

        url = urlsplit(base_url)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": model,
            "server.address": url.hostname or "",
        }
        if url.port is not None:
            attributes["server.port"] = url.port
        self._engine = self._tracer.start_span(
            f"{operation} {model}", context=self._context, kind=SpanKind.CLIENT, attributes=attributes
        )
        found = self._engine.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"

    def end(self, *, error_code: str | None, attributes: Attributes) -> None:
        """The answer is over. `attributes` are those of the engine's span, where there is one."""
        from opentelemetry.trace import Status, StatusCode

        for span in (self._engine, self._request):
            if span is None:
                continue
            if error_code is not None:
                span.set_attribute("error.type", error_code)
                span.set_status(Status(StatusCode.ERROR, error_code))
            if span is self._engine:
                span.set_attributes(dict(attributes))
            span.end()


@cache
def find_tracer() -> Tracer | None:
    """This process's tracer; None where no traces are wanted, or the packages for them are not there."""
    provider = open_provider(get_config().otlp_endpoint)
    return provider.get_tracer("gateway") if provider is not None else None


@cache
def open_provider(endpoint: str) -> TracerProvider | None:
    """What sends spans to the collector at `endpoint`, in batches and on a thread of its own.

    Everything else is set by OpenTelemetry's own variables (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME).
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning(
            "traces_not_sent", hint="install requirements/otel.txt, or unset OTEL_EXPORTER_OTLP_ENDPOINT"
        )
        return None
    named = Resource({"service.name": SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def close_tracing() -> None:
    """Send what is left, within STOP_TIMEOUT_S. Blocks."""
    provider = open_provider(get_config().otlp_endpoint)
    if provider is not None:
        thread = threading.Thread(target=provider.shutdown, daemon=True)
        thread.start()
        thread.join(STOP_TIMEOUT_S)
        open_provider.cache_clear()
        find_tracer.cache_clear()


def _read_parent(traceparent: str | None) -> Context | None:
    """The client's span as a parent; without one the trace begins here."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if traceparent is None:
        return None
    _version, trace_id, span_id, flags = traceparent.split("-")
    parent = SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return set_span_in_context(NonRecordingSpan(parent)) if parent.is_valid else None


def _to_epoch_ns(at_s: float) -> int:
    return time.time_ns() - int((time.perf_counter() - at_s) * 1e9)

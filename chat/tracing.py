"""The trace of an answer, where traces are wanted (`gateway.tracing`)."""

from __future__ import annotations

from starlette.types import Scope

from chat.generation import Generation
from chat.routing import trace_of
from gateway.errors import GatewayError
from gateway.http import ARRIVED_AT, header_value
from gateway.request_id import current_request_id
from gateway.tracing import AnswerTrace, find_tracer


def open_trace(scope: Scope, generation: Generation) -> AnswerTrace | None:
    """A trace that begins as the request arrived, below its client's span; None where none is wanted."""
    tracer = find_tracer()
    if tracer is None:
        return None
    return AnswerTrace(
        tracer,
        traceparent=trace_of(header_value(scope, b"traceparent")),
        name=f"POST {generation.endpoint}",
        arrived_at=scope.get(ARRIVED_AT, generation.started_at),
        attributes={
            "http.request.method": "POST",
            "http.route": generation.endpoint,
            "gateway.request_id": current_request_id.get(),
        },
    )


def end_trace(trace: AnswerTrace, generation: Generation, error: GatewayError | None) -> None:
    """The answer is over, well or not."""
    attributes: dict[str, object] = {"gen_ai.response.model": generation.model}
    transcript = generation.transcript
    if (usage := transcript.usage) is not None:
        attributes["gen_ai.usage.input_tokens"] = usage.prompt_tokens or 0
        attributes["gen_ai.usage.output_tokens"] = usage.completion_tokens or 0
    if transcript.finish_reason:
        attributes["gen_ai.response.finish_reasons"] = [transcript.finish_reason]
    if generation.first_token_at is not None and generation.sent_at is not None:
        attributes["gen_ai.latency.time_to_first_token"] = generation.first_token_at - generation.sent_at
    trace.end(error_code=error.code if error is not None else None, attributes=attributes)

"""The call of an engine as a span of its answer's trace."""

from __future__ import annotations

import msgspec

from chat.upstream import EngineCall
from gateway.tracing import AnswerTrace
from modelops.serving.routes import Route

OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/responses": "chat",
    "/v1/messages": "chat",
}
"""By the engine's path, as the GenAI conventions call them; others are called as their paths."""


def trace_call(trace: AnswerTrace, call: EngineCall, route: Route) -> EngineCall:
    """The call, which begins now, with its own span in place of the client's, which is above it."""
    operation = OPERATIONS.get(call.path) or call.path.removeprefix("/v1/").replace("/", "_")
    span = trace.begin_engine(operation=operation, model=route.model, base_url=route.base_url)
    return msgspec.structs.replace(call, traceparent=span)

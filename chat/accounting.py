"""An answer in the metrics and in the access log, once it is over."""

from __future__ import annotations

import time

from starlette.types import Scope

from chat.generation import Generation
from chat.recording import public_error
from chat.tracing import end_trace
from gateway import metrics
from gateway.http import ARRIVED_AT


def account_for(scope: Scope, generation: Generation, ended_by: BaseException | None) -> None:
    """Add the answer to the metrics and to the access log's fields."""
    error = public_error(ended_by)
    if generation.trace is not None:
        end_trace(generation.trace, generation, error)
    status = error.code if error else "cancelled" if ended_by else "ok"
    model = generation.model
    meters = metrics.meters_of(model, status)
    meters.requests.inc()
    meters.duration.observe(time.perf_counter() - generation.started_at)
    fields = scope["gateway.log"]
    fields.update(model=model, outcome=status, ttft_ms=None)
    if generation.engine_request_id:
        fields["engine_request_id"] = generation.engine_request_id
    if status == "ok" and generation.transcript.is_unfinished:
        fields["is_unfinished"] = True  # the engine gave no finish_reason
    if generation.first_token_at is not None:
        ttft_s = generation.first_token_at - generation.started_at
        meters.first_token.observe(ttft_s)
        fields["ttft_ms"] = round(ttft_s * 1000, 1)
    if (usage := generation.transcript.usage) is not None:
        meters.prompt_tokens.inc(max(0, usage.prompt_tokens or 0))
        meters.completion_tokens.inc(max(0, usage.completion_tokens or 0))
    if error is not None and error.upstream_cause is not None:
        metrics.UPSTREAM_ERRORS.labels(meters.model, error.upstream_cause).inc()
    _count_times(meters, generation, arrived_at=scope.get(ARRIVED_AT, generation.started_at))


def _count_times(meters: metrics.ChatMeters, generation: Generation, *, arrived_at: float) -> None:
    """What the gateway took, the wait in the queue, and the pace of the tokens."""
    if generation.waited_s:
        meters.queue_wait.observe(generation.waited_s)
    if generation.sent_at is None:
        return
    metrics.OVERHEAD.observe(generation.sent_at - arrived_at - generation.waited_s)
    usage, first_token_at = generation.transcript.usage, generation.first_token_at
    if usage is None or first_token_at is None or generation.ended_at is None:
        return
    tokens = (usage.completion_tokens or 0) / max(1, generation.choices)
    if tokens > 1:
        meters.inter_token.observe((generation.ended_at - first_token_at) / (tokens - 1))

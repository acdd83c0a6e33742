"""The gateway's own Prometheus metrics; django-prometheus adds Django's."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
FIRST_TOKEN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

CHAT_REQUESTS = Counter(
    "chat_requests",
    "Chat requests by model and outcome: ok, cancelled, or the error's code.",
    ["model", "status"],
)
CHAT_DURATION = Histogram(
    "chat_request_duration_seconds",
    "From the request to the end of its answer.",
    ["model"],
    buckets=LATENCY_BUCKETS_S,
)
CHAT_FIRST_TOKEN = Histogram(
    "chat_time_to_first_token_seconds",
    "From the request to the answer's first token.",
    ["model"],
    buckets=FIRST_TOKEN_BUCKETS_S,
)
CHAT_TOKENS = Counter("chat_tokens", "Tokens by model and kind: prompt, completion.", ["model", "kind"])
OPEN_GENERATIONS = Gauge(
    "chat_open_generations",
    "Answers being generated now.",
    multiprocess_mode="livesum",
)


class ChatMeters(NamedTuple):
    """What counts the answers of one model with one outcome."""

    requests: Counter
    duration: Histogram
    first_token: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter


@lru_cache(maxsize=512)
def meters_of(model: str, status: str) -> ChatMeters:
    """Remembered: every answer would look five metrics up by their labels."""
    return ChatMeters(
        requests=CHAT_REQUESTS.labels(model, status),
        duration=CHAT_DURATION.labels(model),
        first_token=CHAT_FIRST_TOKEN.labels(model),
        prompt_tokens=CHAT_TOKENS.labels(model, "prompt"),
        completion_tokens=CHAT_TOKENS.labels(model, "completion"),
    )

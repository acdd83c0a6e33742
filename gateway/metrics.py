"""What the web process counts, by `gateway.metric_definitions`; django-prometheus adds Django's own."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from gateway import metric_definitions as definitions

CHAT_REQUESTS = definitions.CHAT_REQUESTS.make_counter()
CHAT_DURATION = definitions.CHAT_DURATION.make_histogram()
CHAT_FIRST_TOKEN = definitions.CHAT_FIRST_TOKEN.make_histogram()
CHAT_INTER_TOKEN = definitions.CHAT_INTER_TOKEN.make_histogram()
CHAT_TOKENS = definitions.CHAT_TOKENS.make_counter()
OPEN_GENERATIONS = definitions.CHAT_OPEN_GENERATIONS.make_gauge()
QUEUE_WAIT = definitions.CHAT_QUEUE_WAIT.make_histogram()
WAITING_REQUESTS = definitions.CHAT_WAITING_REQUESTS.make_gauge()
OVERHEAD = definitions.OVERHEAD.make_histogram()
REFUSALS = definitions.REFUSALS.make_counter()
UPSTREAM_ERRORS = definitions.UPSTREAM_ERRORS.make_counter()
STORE_LATENCY = definitions.STORE_LATENCY.make_histogram()
POOL_WAIT = definitions.POOL_WAIT.make_histogram()
AUDIT_EVENTS = definitions.AUDIT_EVENTS.make_counter()
LOGINS = definitions.LOGINS.make_counter()


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

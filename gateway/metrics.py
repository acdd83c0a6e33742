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
REPLICA_CHOICES = definitions.REPLICA_CHOICES.make_counter()
REPLICA_FAILURES = definitions.REPLICA_FAILURES.make_counter()
STORE_LATENCY = definitions.STORE_LATENCY.make_histogram()
POOL_WAIT = definitions.POOL_WAIT.make_histogram()
DATABASE_LATENCY, REDIS_LATENCY = STORE_LATENCY.labels("database"), STORE_LATENCY.labels("redis")
DATABASE_WAIT, ENGINE_WAIT, PASSWORD_WAIT = (
    POOL_WAIT.labels(pool) for pool in ("database", "engine", "password")
)
AUDIT_EVENTS = definitions.AUDIT_EVENTS.make_counter()
LOGINS = definitions.LOGINS.make_counter()
GOOD_LOGINS, FAILED_LOGINS, LIMITED_LOGINS = (
    LOGINS.labels(outcome) for outcome in ("ok", "failed", "limited")
)


OTHER = "other"


class BoundedLabel:
    """Lets so many values of a label through; the ones that come later are all `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def bound(self, value: str) -> str:
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


MODELS = BoundedLabel(100)
"""Names of models come from profiles and engines. One in front of hundreds makes six series of each."""


class ChatMeters(NamedTuple):
    """What counts the answers of one model with one outcome."""

    model: str
    requests: Counter
    duration: Histogram
    first_token: Histogram
    inter_token: Histogram
    queue_wait: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter


@lru_cache(maxsize=512)
def meters_of(model: str, status: str) -> ChatMeters:
    """Remembered: every answer would look seven metrics up by their labels."""
    model = MODELS.bound(model)
    return ChatMeters(
        model=model,
        requests=CHAT_REQUESTS.labels(model, status),
        duration=CHAT_DURATION.labels(model),
        first_token=CHAT_FIRST_TOKEN.labels(model),
        inter_token=CHAT_INTER_TOKEN.labels(model),
        queue_wait=QUEUE_WAIT.labels(model),
        prompt_tokens=CHAT_TOKENS.labels(model, "prompt"),
        completion_tokens=CHAT_TOKENS.labels(model, "completion"),
    )


@lru_cache(maxsize=256)
def refusals_of(code: str) -> Counter:
    """What counts the requests that were answered with the error of this code."""
    return REFUSALS.labels(code)

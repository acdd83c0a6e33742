"""Every metric of the gateway's own: its name, what it says, its labels, and which process has it.

docs/metrics.md is generated from here. Names and labels are what dashboards and alerts are written against:
they are never changed, only added to. A label's values are few, and none is a name that a user chose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

LATENCY_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
FIRST_TOKEN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
TOKEN_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5)
WAIT_BUCKETS_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900)
OVERHEAD_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
STORE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10)
SWITCH_BUCKETS_S = (1, 2.5, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 3600)


class MetricKind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricOwner(StrEnum):
    """The process whose endpoint has the metric."""

    WEB = "web"
    SWITCHER = "switcher"
    BOTH = "both"


@dataclass(frozen=True)
class MetricDefinition:
    """One metric. `name` is that of its samples: a counter's ends in `_total`."""

    name: str
    kind: MetricKind
    owner: MetricOwner
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def make_counter(self, registry: CollectorRegistry = REGISTRY) -> Counter:
        return Counter(self.name, self.help, self.labels, registry=registry)

    def make_gauge(self, registry: CollectorRegistry = REGISTRY) -> Gauge:
        """With several web processes it is the sum over those that run."""
        return Gauge(self.name, self.help, self.labels, registry=registry, multiprocess_mode="livesum")

    def make_histogram(self, registry: CollectorRegistry = REGISTRY) -> Histogram:
        return Histogram(self.name, self.help, self.labels, registry=registry, buckets=self.buckets)

    def make_family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """For values that are read when the metrics are asked for."""
        kind = CounterMetricFamily if self.kind is MetricKind.COUNTER else GaugeMetricFamily
        return kind(self.name, self.help, labels=self.labels)


def _counter(name: str, help: str, *labels: str, owner: MetricOwner = MetricOwner.WEB) -> MetricDefinition:
    return MetricDefinition(name, MetricKind.COUNTER, owner, help, labels)


def _gauge(name: str, help: str, *labels: str, owner: MetricOwner = MetricOwner.WEB) -> MetricDefinition:
    return MetricDefinition(name, MetricKind.GAUGE, owner, help, labels)


def _histogram(
    name: str, help: str, *labels: str, buckets: tuple[float, ...], owner: MetricOwner = MetricOwner.WEB
) -> MetricDefinition:
    return MetricDefinition(name, MetricKind.HISTOGRAM, owner, help, labels, buckets)


CHAT_REQUESTS = _counter(
    "chat_requests_total",
    "Requests for answers by model and outcome: ok, cancelled, or the error's code. Those that were refused "
    "before a model was found have the model `other`.",
    "model",
    "status",
)
CHAT_DURATION = _histogram(
    "chat_request_duration_seconds",
    "From the request to the end of its answer.",
    "model",
    buckets=LATENCY_BUCKETS_S,
)
CHAT_FIRST_TOKEN = _histogram(
    "chat_time_to_first_token_seconds",
    "From the request to the answer's first token.",
    "model",
    buckets=FIRST_TOKEN_BUCKETS_S,
)
CHAT_INTER_TOKEN = _histogram(
    "chat_inter_token_latency_seconds",
    "Mean time between two tokens of a streamed answer after its first, one value for each answer.",
    "model",
    buckets=TOKEN_BUCKETS_S,
)
CHAT_TOKENS = _counter("chat_tokens_total", "Tokens by model and kind: prompt, completion.", "model", "kind")
CHAT_OPEN_GENERATIONS = _gauge("chat_open_generations", "Answers being generated now.")
CHAT_QUEUE_WAIT = _histogram(
    "chat_queue_wait_seconds",
    "How long requests waited for a place at the engine, during a switch or behind the profile's limit. "
    "Those that did not have to wait are not counted.",
    "model",
    buckets=WAIT_BUCKETS_S,
)
CHAT_WAITING_REQUESTS = _gauge("chat_waiting_requests", "Requests that wait for a place at the engine now.")

OVERHEAD = _histogram(
    "gateway_overhead_seconds",
    "From the arrival of a request for an answer to the moment at which it goes to the engine, without its "
    "wait in the queue: what the gateway itself adds.",
    buckets=OVERHEAD_BUCKETS_S,
)
REFUSALS = _counter(
    "gateway_refusals_total",
    "Requests of any kind that were answered with an error, by its code (docs/errors.md).",
    "code",
)
UPSTREAM_ERRORS = _counter(
    "gateway_upstream_errors_total",
    "Answers that failed at the engine, by model and cause: connect, connect_timeout, closed, broken_off, "
    "first_byte_timeout, idle_timeout, total_timeout, server_error, not_ready, key_refused, rejected, "
    "invalid_answer, other.",
    "model",
    "cause",
)
REPLICA_CHOICES = _counter(
    "gateway_replica_choices_total",
    "Requests that several engines could have answered, by why one was chosen: prefix (it holds the "
    "beginning of the prompt), busier (that one was too busy), least_busy (nothing is known of a prefix).",
    "reason",
)
REPLICA_FAILURES = _counter(
    "gateway_replica_failures_total",
    "Requests that an engine did not take and another one was asked, by model and cause: connect, "
    "connect_timeout, closed, not_ready.",
    "model",
    "cause",
)
STORE_LATENCY = _histogram(
    "gateway_store_latency_seconds",
    "Time that a store took: database (a batch of what requests and background work ask for), redis (a "
    "round trip).",
    "store",
    buckets=STORE_BUCKETS_S,
)
STORE_UP = _gauge(
    "gateway_store_up",
    "Whether a store answered when these metrics were asked for, within two seconds: database, redis.",
    "store",
)
POOL_WAIT = _histogram(
    "gateway_pool_wait_seconds",
    "Waits for something of which there are few: database (the oldest request of a batch, for the thread "
    "with the connection), engine (for a new connection), password (for a place to check one).",
    "pool",
    buckets=STORE_BUCKETS_S,
)
AUDIT_EVENTS = _counter(
    "gateway_audit_events_total", "Lines of the audit trail that this process wrote, by action.", "action"
)
LOGINS = _counter(
    "gateway_logins_total",
    "Log-ins by outcome: ok, failed, limited (refused by LOGIN_RATE). A wrong current password counts as "
    "failed.",
    "outcome",
)

SWITCHES = _counter(
    "switcher_switches_total",
    "Switches that this switcher brought to an end, by outcome: active, rejected, cancelled, rolled_back, "
    "degraded.",
    "outcome",
    owner=MetricOwner.SWITCHER,
)
SWITCH_DURATION = _histogram(
    "switcher_switch_duration_seconds",
    "From the request for a switch to its end, by outcome.",
    "outcome",
    buckets=SWITCH_BUCKETS_S,
    owner=MetricOwner.SWITCHER,
)
SWITCH_PHASE = _histogram(
    "switcher_switch_phase_seconds",
    "Time that switches spent in each of their states (docs/switching.md).",
    "phase",
    buckets=SWITCH_BUCKETS_S,
    owner=MetricOwner.SWITCHER,
)
SLOT_STATE = _gauge(
    "switcher_slot_state",
    "1 for the state that a slot is in, 0 for the others: none, starting, loading, ready, switching, "
    "degraded, resting, unreachable (told by the switchers of other boxes).",
    "slot",
    "state",
    owner=MetricOwner.SWITCHER,
)
SLOT_ACTIVE_SINCE = _gauge(
    "switcher_slot_active_since_timestamp_seconds",
    "Since when the profile serves the slot, in seconds since 1970; nothing while none does.",
    "slot",
    "profile",
    owner=MetricOwner.SWITCHER,
)
ENGINE_UP = _gauge(
    "switcher_engine_up",
    "1 while the engine of a slot passes its health checks, 0 while it does not, or the one that should "
    "serve does not run.",
    "slot",
    "profile",
    owner=MetricOwner.SWITCHER,
)
REPLICAS_WANTED = _gauge(
    "switcher_replicas_wanted",
    "Engines that the profile of a slot asks for, while it serves.",
    "slot",
    owner=MetricOwner.SWITCHER,
)
REPLICAS_SERVING = _gauge(
    "switcher_replicas_serving",
    "Engines of a slot that requests go to.",
    "slot",
    owner=MetricOwner.SWITCHER,
)
ENGINE_RESTARTS = _counter(
    "switcher_engine_restarts_total",
    "Engines that died or hung while they served, after which the switcher starts them again.",
    "slot",
    owner=MetricOwner.SWITCHER,
)
IS_LEADER = _gauge(
    "switcher_is_leader",
    "1 while this switcher acts for a slot, 0 while it stands by.",
    owner=MetricOwner.SWITCHER,
)
LAST_STEP = _gauge(
    "switcher_last_step_timestamp_seconds",
    "When the switcher's loop last came round without a failure, in seconds since 1970.",
    owner=MetricOwner.SWITCHER,
)
GPU_MEMORY_USED = _gauge(
    "gpu_memory_used_bytes", "Memory in use on a card.", "gpu", "name", owner=MetricOwner.SWITCHER
)
GPU_MEMORY_TOTAL = _gauge(
    "gpu_memory_total_bytes", "Memory of a card.", "gpu", "name", owner=MetricOwner.SWITCHER
)
GPU_UTILIZATION = _gauge(
    "gpu_utilization_ratio",
    "Part of the time that a card computed, from 0 to 1.",
    "gpu",
    "name",
    owner=MetricOwner.SWITCHER,
)
GPU_TEMPERATURE = _gauge(
    "gpu_temperature_celsius", "Temperature of a card.", "gpu", "name", owner=MetricOwner.SWITCHER
)
GPU_POWER = _gauge("gpu_power_watts", "Power that a card draws.", "gpu", "name", owner=MetricOwner.SWITCHER)
KV_CACHE_USAGE = _gauge(
    "engine_kv_cache_usage_ratio",
    "Part of the engine's KV cache that is in use, from 0 to 1.",
    "slot",
    owner=MetricOwner.SWITCHER,
)

PROCESS_STARTS = _counter(
    "gateway_process_starts_total",
    "Starts of web processes and switchers since the database was made, by role: web, switcher.",
    "role",
    owner=MetricOwner.BOTH,
)
DISK_FREE = _gauge(
    "gateway_disk_free_bytes",
    "Free space where this process sees a volume: data (GATEWAY_DATA_DIR), weights and compile_cache (where "
    "ENGINE_HF_CACHE and ENGINE_VLLM_CACHE are folders).",
    "volume",
    owner=MetricOwner.BOTH,
)
BUILD_INFO = _gauge(
    "gateway_build_info",
    "Always 1; its labels name the version and the revision that runs.",
    "version",
    "revision",
    owner=MetricOwner.BOTH,
)


def list_definitions(owner: MetricOwner) -> Iterator[MetricDefinition]:
    """All of this owner's, in their order here."""
    for value in globals().values():
        if isinstance(value, MetricDefinition) and value.owner is owner:
            yield value

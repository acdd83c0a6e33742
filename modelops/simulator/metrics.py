"""vLLM's Prometheus metrics, written without a client library."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

# vLLM's own buckets (v1/metrics/buckets.py), so that dashboards fit both.
_TAIL_S = (0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_TTFT_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, *_TAIL_S, 160.0, 640.0, 2560.0)
_ITL_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, *_TAIL_S)
_MINUTES_S = (60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)
_LATENCY_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, *_MINUTES_S)
FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")


class Histogram:
    """Counts observations per bucket, as Prometheus does."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, *, times: int = 1) -> None:
        """Record ``value``, as often as ``times``."""
        self._counts[bisect.bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def lines(self, name: str, labels: Mapping[str, str]) -> list[str]:
        """Cumulative buckets, count and sum."""
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        totals = list(itertools.accumulate(self._counts))
        lines = [
            _sample(f"{name}_bucket", {"engine": labels["engine"], "le": bound, **labels}, total)
            for bound, total in zip(bounds, totals, strict=True)
        ]
        lines.append(_sample(f"{name}_count", labels, totals[-1]))
        lines.append(_sample(f"{name}_sum", labels, self._sum))
        return lines


@dataclass(slots=True)
class Metrics:
    """The engine's counters since it started; the server's event loop is the only writer."""

    prompt_tokens: int = 0
    generation_tokens: int = 0
    preemptions: int = 0
    finished: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FINISHED_REASONS, 0))
    time_to_first_token: Histogram = field(default_factory=lambda: Histogram(_TTFT_S))
    inter_token_latency: Histogram = field(default_factory=lambda: Histogram(_ITL_S))
    request_latency: Histogram = field(default_factory=lambda: Histogram(_LATENCY_S))


@dataclass(frozen=True, slots=True)
class Gauges:
    """The engine's state at the moment of scraping."""

    running: int
    waiting: int
    kv_cache_usage: float
    sleep_level: int


def render_metrics(
    metrics: Metrics, gauges: Gauges, *, model_name: str, cache_config: Mapping[str, str]
) -> str:
    """The text exposition of all metrics."""
    labels = {"engine": "0", "model_name": model_name}
    lines: list[str] = []
    lines += _gauge("num_requests_running", "Number of requests in model execution batches.")
    lines.append(_sample("vllm:num_requests_running", labels, gauges.running))
    lines += _gauge("num_requests_waiting", "Number of requests waiting to be processed.")
    lines.append(_sample("vllm:num_requests_waiting", labels, gauges.waiting))
    lines += _gauge("engine_sleep_state", "Engine sleep state.")
    for level, state in enumerate(("awake", "weights_offloaded", "discard_all")):
        value = int(level == gauges.sleep_level)
        lines.append(_sample("vllm:engine_sleep_state", labels | {"sleep_state": state}, value))
    lines += _gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
    lines.append(_sample("vllm:kv_cache_usage_perc", labels, gauges.kv_cache_usage))
    lines += _counters(metrics, labels)
    lines += _histograms(metrics, labels)
    lines += _gauge("cache_config_info", "Information of the LLMEngine CacheConfig")
    lines.append(_sample("vllm:cache_config_info", dict(sorted(cache_config.items())), 1))
    return "\n".join(lines) + "\n"


def _counters(metrics: Metrics, labels: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for name, help_text, value in (
        ("num_preemptions_total", "Cumulative number of preemption from the engine.", metrics.preemptions),
        ("prompt_tokens_total", "Number of prefill tokens processed.", metrics.prompt_tokens),
        ("generation_tokens_total", "Number of generation tokens processed.", metrics.generation_tokens),
    ):
        lines += _header(name, help_text, "counter")
        lines.append(_sample(f"vllm:{name}", labels, value))
    lines += _header("request_success_total", "Count of successfully processed requests.", "counter")
    for reason, value in metrics.finished.items():
        with_reason = {"engine": labels["engine"], "finished_reason": reason, **labels}
        lines.append(_sample("vllm:request_success_total", with_reason, value))
    return lines


def _histograms(metrics: Metrics, labels: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for name, help_text, histogram in (
        (
            "time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            metrics.time_to_first_token,
        ),
        (
            "inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            metrics.inter_token_latency,
        ),
        (
            "e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.",
            metrics.request_latency,
        ),
    ):
        lines += _header(name, help_text, "histogram")
        lines += histogram.lines(f"vllm:{name}", labels)
    return lines


def _header(name: str, help_text: str, kind: str) -> list[str]:
    return [f"# HELP vllm:{name} {help_text}", f"# TYPE vllm:{name} {kind}"]


def _gauge(name: str, help_text: str) -> list[str]:
    return _header(name, help_text, "gauge")


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {float(value)}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class RequestTimer:
    """Feeds the latency histograms for one request. ``now`` values share one monotonic clock."""

    def __init__(self, metrics: Metrics, *, arrived_at: float) -> None:
        self._metrics = metrics
        self._arrived_at = arrived_at
        self._last_at: float | None = None

    def record_tokens(self, count: int, *, now: float) -> None:
        """Count ``count`` tokens that left at ``now``; the first one makes the time to first token."""
        self._metrics.generation_tokens += count
        if self._last_at is None:
            self._metrics.time_to_first_token.observe(now - self._arrived_at)
            self._last_at = now
            count -= 1
        if count:
            self._metrics.inter_token_latency.observe((now - self._last_at) / count, times=count)
        self._last_at = now

    def record_finish(self, finish_reason: str, *, now: float) -> None:
        """Count one finished sequence."""
        reason = "stop" if finish_reason == "tool_calls" else finish_reason
        self._metrics.finished[reason] += 1
        self._metrics.request_latency.observe(now - self._arrived_at)

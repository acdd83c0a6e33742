"""How busy an engine is, from vLLM's Prometheus metrics (vllm/v1/metrics/loggers.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
KV_CACHE_USAGE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
"""The second one is the name before vLLM 0.10."""
PROMPT_TOKENS = "vllm:prompt_tokens_total"
GENERATION_TOKENS = "vllm:generation_tokens_total"
FIRST_TOKEN_SUM = "vllm:time_to_first_token_seconds_sum"  # noqa: S105 - a metric
FIRST_TOKEN_COUNT = "vllm:time_to_first_token_seconds_count"  # noqa: S105 - a metric
SUMMED = (RUNNING, WAITING, PROMPT_TOKENS, GENERATION_TOKENS, FIRST_TOKEN_SUM, FIRST_TOKEN_COUNT)


@dataclass(frozen=True)
class EngineCounters:
    """One scrape. Counters run since the engine started; with data parallel ranks they are summed."""

    running: int
    waiting: int
    kv_cache_usage: float | None
    """Between 0 and 1, of the fullest rank."""
    prompt_tokens: float
    generation_tokens: float
    first_token_seconds: float
    first_tokens: float


@dataclass(frozen=True)
class LoadFigures:
    """How busy an engine was between two scrapes. A rate is None where there is nothing to compare with."""

    running: int
    waiting: int
    kv_cache_usage: float | None = None
    prompt_tokens_per_s: float | None = None
    generation_tokens_per_s: float | None = None
    first_token_s: float | None = None
    """The mean of the requests whose first token came in between; None where there was none."""


def parse_metrics(text: str) -> EngineCounters | None:
    """None where the text has none of vLLM's gauges, as that of another server."""
    sums = dict.fromkeys(SUMMED, 0.0)
    usages: list[float] = []
    has_gauges = False
    for name, value in _read_samples(text):
        if name in sums:
            sums[name] += value
            has_gauges = has_gauges or name == RUNNING
        elif name in KV_CACHE_USAGE:
            usages.append(value)
    if not has_gauges:
        return None
    return EngineCounters(
        running=int(sums[RUNNING]),
        waiting=int(sums[WAITING]),
        kv_cache_usage=max(usages, default=None),
        prompt_tokens=sums[PROMPT_TOKENS],
        generation_tokens=sums[GENERATION_TOKENS],
        first_token_seconds=sums[FIRST_TOKEN_SUM],
        first_tokens=sums[FIRST_TOKEN_COUNT],
    )


def measure_load(before: EngineCounters | None, now: EngineCounters, elapsed_s: float) -> LoadFigures:
    """The load between two scrapes; without rates where the counters began anew in between."""
    usage = None if now.kv_cache_usage is None else round(now.kv_cache_usage, 4)
    if before is None or elapsed_s <= 0 or now.generation_tokens < before.generation_tokens:
        return LoadFigures(now.running, now.waiting, usage)
    first_tokens = now.first_tokens - before.first_tokens
    waited_s = now.first_token_seconds - before.first_token_seconds
    return LoadFigures(
        running=now.running,
        waiting=now.waiting,
        kv_cache_usage=usage,
        prompt_tokens_per_s=round(max(0.0, now.prompt_tokens - before.prompt_tokens) / elapsed_s, 2),
        generation_tokens_per_s=round((now.generation_tokens - before.generation_tokens) / elapsed_s, 2),
        first_token_s=round(waited_s / first_tokens, 4) if first_tokens > 0 else None,
    )


def _read_samples(text: str) -> Iterator[tuple[str, float]]:
    """Name and value of each line of vLLM's; labels are passed over, and so is what is no number."""
    for line in text.splitlines():
        if not line.startswith("vllm:"):
            continue
        name = line.partition("{")[0].partition(" ")[0]
        try:
            yield name, float(line.rpartition(" ")[2])
        except ValueError:
            continue

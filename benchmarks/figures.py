"""The few figures that the project has set itself bounds for, taken from many measurements."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measuring import Measurement, OpenStreams
from benchmarks.scenarios import CHAT, DIRECT, LITELLM, NGINX, OPENAI, VLLM_ROUTER

Round = dict[tuple[str, str], Measurement]
"""What one round measured, by scenario and target."""

OfMeasurement = Callable[[Measurement], float | None]
OfRound = Callable[[Round], float | None]


@dataclass(frozen=True)
class Bound:
    """`must` is what a release keeps, `aim` what the design can reach."""

    must: float
    aim: float
    is_floor: bool = False

    def judge(self, value: float) -> str:
        sign = -1 if self.is_floor else 1
        if sign * value <= sign * self.aim:
            return "reaches the aim"
        return "keeps the bound" if sign * value <= sign * self.must else "MISSES"


@dataclass(frozen=True)
class Figure:
    name: str
    unit: str
    value: float
    bound: Bound


def of(scenario: str, target: str, value: OfMeasurement) -> OfRound:
    """Looks `value` up in a round; None where that was not measured."""

    def look_up(measured: Round) -> float | None:
        measurement = measured.get((scenario, target))
        return None if measurement is None else value(measurement)

    return look_up


def ratio(scenario: str, ours: str, theirs: str) -> OfRound:
    """Requests a second, one target's over another's, within a round: drift of the machine hits both."""

    def compare(measured: Round) -> float | None:
        our, their = measured.get((scenario, ours)), measured.get((scenario, theirs))
        return our.requests_per_s / their.requests_per_s if our and their and their.answers else None

    return compare


def added_first_token_ms(measured: Round) -> float | None:
    ours, direct = measured.get(("one", CHAT)), measured.get(("one", DIRECT))
    return ours.first_token_p50_ms - direct.first_token_p50_ms if ours and direct else None


def cpu_us_per_request(measurement: Measurement) -> float | None:
    return measurement.cpu_us_per_request


def cpu_us_per_token(measurement: Measurement) -> float | None:
    return measurement.cpu_us_per_token


def times_cpu_of_router(measured: Round) -> float | None:
    ours, theirs = measured.get(("json", OPENAI)), measured.get(("json", VLLM_ROUTER))
    if ours is None or theirs is None or not ours.cpu_us_per_request or not theirs.cpu_us_per_request:
        return None
    return ours.cpu_us_per_request / theirs.cpu_us_per_request


def gap_p99_ms(measurement: Measurement) -> float | None:
    return measurement.token_gap_p99_ms


FIGURES: tuple[tuple[str, str, OfRound, Bound], ...] = (
    ("plain JSON request", "CPU µs", of("json", CHAT, cpu_us_per_request), Bound(1000, 650)),
    ("stream of 8 tokens", "CPU µs", of("short", CHAT, cpu_us_per_request), Bound(1400, 1000)),
    ("token of a burst", "CPU µs", of("burst", CHAT, cpu_us_per_token), Bound(15, 10)),
    ("token of 256 paced streams", "CPU µs", of("paced256", CHAT, cpu_us_per_token), Bound(75, 50)),
    ("added time to first token, 1 client", "ms", added_first_token_ms, Bound(5, 3)),
    ("JSON requests/s ÷ LiteLLM", "×", ratio("json", CHAT, LITELLM), Bound(10, 18, True)),
    ("JSON of 100 tokens, requests/s ÷ LiteLLM", "×", ratio("json100", CHAT, LITELLM), Bound(6, 12, True)),
    ("short streams/s ÷ LiteLLM", "×", ratio("short", CHAT, LITELLM), Bound(15, 27, True)),
    ("burst tokens/s ÷ LiteLLM", "×", ratio("burst", CHAT, LITELLM), Bound(30, 55, True)),
    ("burst tokens/s ÷ nginx", "×", ratio("burst", CHAT, NGINX), Bound(0.65, 0.85, True)),
    ("256 paced streams, tokens/s ÷ engine", "×", ratio("paced256", CHAT, DIRECT), Bound(0.65, 0.85, True)),
    ("CPU of /v1 JSON ÷ vLLM's router", "×", times_cpu_of_router, Bound(10, 5)),
    (
        "64 streams beside a conversation of 2,000 turns: p99 between tokens",
        "ms",
        of("beside2000", CHAT, gap_p99_ms),
        Bound(100, 30),
    ),
)


def median_over(rounds: list[Round], value: OfRound) -> float | None:
    """The median over the rounds that have the value."""
    found = [number for number in map(value, rounds) if number is not None]
    return statistics.median(found) if found else None


def collect_figures(rounds: list[Round], streams: OpenStreams | None) -> list[Figure]:
    """Every figure that what was measured allows."""
    medians = [(name, unit, median_over(rounds, value), bound) for name, unit, value, bound in FIGURES]
    figures = [Figure(name, unit, value, bound) for name, unit, value, bound in medians if value is not None]
    return figures + _of_streams(streams) if streams else figures


def _of_streams(streams: OpenStreams) -> list[Figure]:
    what = f"{streams.streams:,} open streams"
    return [
        Figure(f"{what}: failures", "", streams.load.failures, Bound(0, 0)),
        Figure(f"{what}: memory each", "KB", streams.kb_per_stream, Bound(40, 30)),
        Figure(f"{what}: threads", "", streams.threads, Bound(20, 7)),
    ]

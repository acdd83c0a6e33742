"""What so many users need, computed and simulated: `python -m benchmarks.scaling [--users N ...]`.

Computed: how many turns an hour of the peak has, by Little's law how many answers run at once, and what each
part of the gateway spends on them by the figures that were measured (`MEASURED`). Simulated, because averages
hide bursts: turns arrive at random, each takes a place of an engine for as long as its tokens take, and waits
where none is free. The number of engines is the smallest with which 95 of 100 turns wait no longer than
`--wait` seconds.

Assumed, and not measured by us (`Assumptions`; every one is an option): how much people ask, how long answers
are, and what an engine can do. An engine's own figures are in its metrics.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

SEED = 12
USERS = (100, 10_000, 1_000_000)
WAIT_S = 2.0
SIMULATED_S, WARM_UP_S = 600.0, 120.0
LEAST_TURNS = 2_000
"""Of a simulation: few users are simulated for longer."""
DAYS_OF_MONTH = 30
SECONDS_OF_HOUR = 3600
GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10


@dataclass(frozen=True)
class Measured:
    """Of one turn on /api/chat, stored, limits on; benchmarks/README.md and docs/scaling.md say where."""

    web_us_per_turn: float = 650
    web_us_per_token: float = 26
    """Of a stream whose tokens come one at a time; in a burst they cost a quarter."""
    stream_bytes: int = 33 * KIB
    postgres_us_per_turn: float = 275
    redis_us_per_turn: float = 84
    redis_commands_per_turn: float = 14
    commits_per_turn: float = 5
    stored_bytes_per_turn: int = 2_695
    wal_bytes_per_turn: int = 4_545


MEASURED = Measured()


@dataclass(frozen=True)
class Assumptions:
    """Each field is an option of the command."""

    active_share: float = 0.4
    """Of the users, those who ask anything on a working day."""
    turns_a_day: float = 20
    """Of each of these."""
    peak_share: float = 0.15
    """Of the day's turns, those of its busiest hour."""
    answer_tokens: float = 330
    """Mean of an answer; their lengths are lognormal."""
    answer_spread: float = 0.8
    """Standard deviation of the logarithm of the length."""
    tokens_per_second: float = 30
    """Of one answer, on an engine with all its places taken."""
    places: int = 32
    """Answers that one engine generates at once."""
    first_token_s: float = 0.5
    busy_share: float = 0.6
    """Of a core, what a web process is to use in the peak: the rest is for bursts."""


@dataclass(frozen=True)
class Demand:
    """The peak hour."""

    turns_per_s: float
    seconds_per_turn: float

    @property
    def mean_running(self) -> float:
        """Little's law."""
        return self.turns_per_s * self.seconds_per_turn


@dataclass(frozen=True)
class Simulated:
    running_median: float
    running_p99: float
    wait_p95_s: float


def find_demand(users: int, assumed: Assumptions) -> Demand:
    turns = users * assumed.active_share * assumed.turns_a_day * assumed.peak_share
    seconds = assumed.first_token_s + assumed.answer_tokens / assumed.tokens_per_second
    return Demand(turns / SECONDS_OF_HOUR, seconds)


def simulate(demand: Demand, engines: int, assumed: Assumptions) -> Simulated:
    """Ten minutes of the peak, or LEAST_TURNS of it, after two of warming up.

    The same arguments give the same result.
    """
    chance = random.Random(SEED)  # noqa: S311 - a simulation
    location = math.log(assumed.answer_tokens) - assumed.answer_spread**2 / 2
    free, ends = engines * assumed.places, list[float]()
    waits, running = list[float](), list[int]()
    now, end = 0.0, WARM_UP_S + max(SIMULATED_S, LEAST_TURNS / demand.turns_per_s)
    while now < end:
        now += chance.expovariate(demand.turns_per_s)
        while ends and ends[0] <= now:
            heapq.heappop(ends)
        # The place that is free first is taken, at once or when its answer ends: first come, first served.
        start = now if len(ends) < free else heapq.heappop(ends)
        tokens = chance.lognormvariate(location, assumed.answer_spread)
        heapq.heappush(ends, start + assumed.first_token_s + tokens / assumed.tokens_per_second)
        if now > WARM_UP_S:
            waits.append(start - now)
            running.append(len(ends))
    return Simulated(_quantile(running, 0.5), _quantile(running, 0.99), _quantile(waits, 0.95))


def find_engines(demand: Demand, assumed: Assumptions, wait_s: float) -> tuple[int, Simulated]:
    """The smallest number that keeps the wait, and how it goes with it."""
    least = max(1, math.ceil(demand.mean_running / assumed.places))
    engines = least
    while (outcome := simulate(demand, engines, assumed)).wait_p95_s > wait_s:
        engines += max(1, least // 50)
    return engines, outcome


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def describe(users: int, assumed: Assumptions, wait_s: float) -> dict[str, str]:
    """One column of the table."""
    demand = find_demand(users, assumed)
    engines, outcome = find_engines(demand, assumed, wait_s)
    turns_a_day = users * assumed.active_share * assumed.turns_a_day
    web_us = MEASURED.web_us_per_turn + MEASURED.web_us_per_token * assumed.answer_tokens
    web_cores = demand.turns_per_s * web_us / 1e6
    return {
        "turns a day": f"{turns_a_day:,.0f}",
        "turns a second, busiest hour": f"{demand.turns_per_s:,.2f}",
        "answers at once: mean by Little's law": f"{demand.mean_running:,.1f}",
        "answers at once: median (simulated)": f"{outcome.running_median:,.0f}",
        "answers at once: 99 % of the time at most (simulated)": f"{outcome.running_p99:,.0f}",
        f"engines, so that 95 % wait ≤ {wait_s:g} s (simulated)": f"{engines:,}",
        "web: cores busy": f"{web_cores:.3f}",
        "web processes": f"{max(1, math.ceil(web_cores / assumed.busy_share)):,}",
        "web: memory of open streams": _bytes(outcome.running_p99 * MEASURED.stream_bytes),
        "PostgreSQL: cores busy": f"{demand.turns_per_s * MEASURED.postgres_us_per_turn / 1e6:.3f}",
        "PostgreSQL: commits a second": f"{demand.turns_per_s * MEASURED.commits_per_turn:,.1f}",
        "PostgreSQL: WAL a second": _bytes(demand.turns_per_s * MEASURED.wal_bytes_per_turn),
        "PostgreSQL: stored a month": _bytes(turns_a_day * DAYS_OF_MONTH * MEASURED.stored_bytes_per_turn),
        "Redis: its one core busy": f"{demand.turns_per_s * MEASURED.redis_us_per_turn / 1e4:.2f} %",
        "Redis: commands a second": f"{demand.turns_per_s * MEASURED.redis_commands_per_turn:,.1f}",
    }


def count_carried(assumed: Assumptions, wait_s: float) -> dict[str, float]:
    """How many users one of each part carries, all else being enough: what carries least gives first."""
    many = 1_000_000
    demand = find_demand(many, assumed)
    engines, _ = find_engines(demand, assumed, wait_s)
    web_us = MEASURED.web_us_per_turn + MEASURED.web_us_per_token * assumed.answer_tokens
    turns_a_month = many * assumed.active_share * assumed.turns_a_day * DAYS_OF_MONTH
    shares = {
        "engine": engines,
        "web process": demand.turns_per_s * web_us / 1e6 / assumed.busy_share,
        "TiB of PostgreSQL's disk, of twelve months": 12
        * turns_a_month
        * MEASURED.stored_bytes_per_turn
        / (GIB * KIB),
        "core of PostgreSQL": demand.turns_per_s * MEASURED.postgres_us_per_turn / 1e6 / assumed.busy_share,
        "Redis": demand.turns_per_s * MEASURED.redis_us_per_turn / 1e6 / assumed.busy_share,
    }
    return {name: many / needed for name, needed in shares.items()}


def _bytes(count: float) -> str:
    for size, name in ((GIB * KIB, "TiB"), (GIB, "GiB"), (MIB, "MiB")):
        if count >= size:
            return f"{count / size:,.1f} {name}"
    return f"{count / KIB:,.1f} KiB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, nargs="+", default=USERS)
    parser.add_argument(
        "--wait", type=float, default=WAIT_S, help="seconds that 95 of 100 turns wait at most"
    )
    for each in fields(Assumptions):
        kind = type(each.default)
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    options = vars(parser.parse_args())
    assumed = Assumptions(**{each.name: options[each.name] for each in fields(Assumptions)})
    print(write_demand(options["users"], assumed, options["wait"]), "\n")
    print(write_carried(assumed, options["wait"]))


def write_demand(users: Sequence[int], assumed: Assumptions, wait_s: float = WAIT_S) -> str:
    """A table with a column for each number of users."""
    columns = [describe(each, assumed, wait_s) for each in users]
    lines = [["users", *(f"{each:,}" for each in users)], ["---", *["---:"] * len(columns)]]
    lines += [[name, *(column[name] for column in columns)] for name in columns[0]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_carried(assumed: Assumptions, wait_s: float = WAIT_S) -> str:
    """The table of `count_carried`."""
    carried = count_carried(assumed, wait_s).items()
    lines = ["| one … | carries so many users |", "| --- | ---: |"]
    return "\n".join([*lines, *(f"| {name} | {count:,.0f} |" for name, count in carried)])


if __name__ == "__main__":
    main()

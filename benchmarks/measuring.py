"""Putting a scenario's load on a target, and reading what that cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.children import BenchmarkError, Process, running, tail
from benchmarks.process_usage import read_cpu_s, read_memory
from benchmarks.scenarios import OPEN_STREAMS, STORED, Scenario, Target
from benchmarks.stores import Stores, StoresCpu

GRACE_S = 30.0
RAMP_S = 6.0
SAMPLE_PERIOD_S = 0.5
MAX_SAMPLES = 200


@dataclass(frozen=True)
class Measurement:
    """One scenario on one target, once."""

    scenario: str
    target: str
    elapsed_s: float
    answers: int
    errors: int
    unfinished: int
    tokens: int
    cpu_s: float | None
    first_token_p50_ms: float
    first_token_p99_ms: float
    answer_p50_ms: float
    answer_p99_ms: float
    token_transit_p50_ms: float
    token_transit_p99_ms: float
    token_gap_p50_ms: float
    token_gap_p99_ms: float
    first_error: str
    stores: StoresCpu | None = None
    """Of PostgreSQL and Redis meanwhile; None for a target that stores nothing there."""

    @property
    def failures(self) -> int:
        return self.errors + self.unfinished

    @property
    def requests_per_s(self) -> float:
        return self.answers / self.elapsed_s

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.elapsed_s

    @property
    def cpu_us_per_request(self) -> float | None:
        return None if self.cpu_s is None else self.cpu_s * 1e6 / max(1, self.answers)

    @property
    def cpu_us_per_token(self) -> float | None:
        return None if self.cpu_s is None else self.cpu_s * 1e6 / max(1, self.tokens)

    @property
    def postgres_us_per_request(self) -> float | None:
        return None if self.stores is None else self.stores.postgres_s * 1e6 / max(1, self.answers)

    @property
    def redis_us_per_request(self) -> float | None:
        return None if self.stores is None else self.stores.redis_s * 1e6 / max(1, self.answers)

    @property
    def all_us_per_request(self) -> float | None:
        """With the stores' share."""
        own = self.cpu_us_per_request
        return own and own + (self.postgres_us_per_request or 0) + (self.redis_us_per_request or 0)

    def as_json(self) -> dict[str, Any]:
        derived = (
            "requests_per_s",
            "tokens_per_s",
            "cpu_us_per_request",
            "cpu_us_per_token",
            "all_us_per_request",
        )
        return asdict(self) | {name: getattr(self, name) for name in derived}


@dataclass(frozen=True)
class CpuReading:
    """What had been used at one moment."""

    own_s: float | None
    stores: StoresCpu


@dataclass(frozen=True)
class OpenStreams:
    """What many open streams cost the gateway, at the worst moment of the run."""

    load: Measurement
    streams: int
    kb_per_stream: float
    threads: int
    database_connections: int | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"load": self.load.as_json()}


class LoadGenerator:
    def __init__(self, program: Path, folder: Path, stores: Stores) -> None:
        self._program = program
        self._stores = stores
        self._folder = folder

    def measure(self, scenario: Scenario, target: Target, *, seconds: float) -> Measurement:
        """Load `target` for this long and wait for its last answers. Raises BenchmarkError if it died."""
        before = self._read_cpu(target)
        together = [scenario, *filter(None, [scenario.beside])]
        with ExitStack() as stack:
            loads = [
                (each, *stack.enter_context(self._loading(each, target, seconds=seconds)))
                for each in together
            ]
            for each, process, _log in loads:
                if not _has_ended_within(process, seconds + GRACE_S + 30):
                    raise BenchmarkError(f"{each.name} on {target.name} did not end.")
        measured, *others = [self._to_measurement(each, target, log, before) for each, _p, log in loads]
        for other in others:
            if other.failures or not other.answers:
                raise BenchmarkError(f"{other.scenario} beside {scenario.name} failed: {other.first_error}")
        return measured

    def _read_cpu(self, target: Target) -> CpuReading:
        return CpuReading(None if target.pid is None else read_cpu_s(target.pid), self._stores.read_cpu_s())

    def _to_measurement(
        self, scenario: Scenario, target: Target, log: Path, before: CpuReading
    ) -> Measurement:
        try:
            counted = json.loads(log.read_text())
            after = self._read_cpu(target)
        except (ValueError, OSError) as exc:
            raise BenchmarkError(f"{scenario.name} on {target.name} failed: {exc}\n{tail(log)}") from exc
        return Measurement(
            scenario=scenario.name,
            target=target.name,
            cpu_s=None if before.own_s is None or after.own_s is None else after.own_s - before.own_s,
            stores=after.stores.since(before.stores) if target.name in STORED else None,
            **counted,
        )

    def measure_open_streams(self, target: Target) -> OpenStreams:
        """Open all the streams, and watch `target`'s process while they are."""
        if target.pid is None:
            raise BenchmarkError("Only a process can be watched.")
        stores, before = self._stores, read_memory(target.pid)
        cpu_before = self._read_cpu(target)
        peak_kb, peak_threads, peak_connections = (
            before.resident_kb,
            before.threads,
            stores.count_connections(),
        )
        with self._loading(OPEN_STREAMS, target, seconds=RAMP_S + 1, ramp_s=RAMP_S) as (process, log):
            for _sample in range(MAX_SAMPLES):
                if _has_ended_within(process, SAMPLE_PERIOD_S):
                    break
                now, connections = read_memory(target.pid), stores.count_connections()
                peak_kb = max(peak_kb, now.resident_kb)
                peak_threads = max(peak_threads, now.threads)
                if connections is not None and peak_connections is not None:
                    peak_connections = max(peak_connections, connections)
        return OpenStreams(
            load=self._to_measurement(OPEN_STREAMS, target, log, cpu_before),
            streams=OPEN_STREAMS.connections,
            kb_per_stream=(peak_kb - before.resident_kb) / OPEN_STREAMS.connections,
            threads=peak_threads,
            database_connections=peak_connections,
        )

    @contextmanager
    def _loading(
        self, scenario: Scenario, target: Target, *, seconds: float, ramp_s: float = 0
    ) -> Iterator[tuple[Process, Path]]:
        bodies, log = (self._folder / f"{scenario.name}.{kind}" for kind in ("bodies", "json"))
        bodies.write_text("\n".join(scenario.list_bodies(target)))
        options: dict[str, object] = {
            "-p": target.port,
            "-u": target.path,
            "-b": bodies,
            "-c": scenario.connections,
            "-d": seconds,
            "-g": GRACE_S,
            "-e": scenario.tokens,
            "-r": ramp_s,
        }
        if target.token_file:
            options["-t"] = target.token_file
        command = [str(self._program), *(str(part) for option in options.items() for part in option)]
        with running(command, log=log) as process:
            yield process, log


def _has_ended_within(process: Process, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True

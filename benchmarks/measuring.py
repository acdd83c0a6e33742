"""Putting a scenario's load on a target, and reading what that cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.children import BenchmarkError, Process, running, tail
from benchmarks.process_usage import read_cpu_s, read_memory
from benchmarks.scenarios import OPEN_STREAMS, Scenario, Target
from benchmarks.stores import Stores

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
    first_error: str

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

    def as_json(self) -> dict[str, Any]:
        derived = ("requests_per_s", "tokens_per_s", "cpu_us_per_request", "cpu_us_per_token")
        return asdict(self) | {name: getattr(self, name) for name in derived}


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
    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def measure(self, scenario: Scenario, target: Target, *, seconds: float) -> Measurement:
        """Load `target` for this long and wait for its last answers. Raises BenchmarkError if it died."""
        cpu_before = _cpu_s(target)
        with self._loading(scenario, target, seconds=seconds) as (process, log):
            if not _has_ended_within(process, seconds + GRACE_S + 30):
                raise BenchmarkError(f"{scenario.name} on {target.name} did not end.")
        return _to_measurement(scenario, target, log, cpu_before)

    def measure_open_streams(self, target: Target, stores: Stores) -> OpenStreams:
        """Open all the streams, and watch `target`'s process while they are."""
        if target.pid is None:
            raise BenchmarkError("Only a process can be watched.")
        before = read_memory(target.pid)
        cpu_before = _cpu_s(target)
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
            load=_to_measurement(OPEN_STREAMS, target, log, cpu_before),
            streams=OPEN_STREAMS.connections,
            kb_per_stream=(peak_kb - before.resident_kb) / OPEN_STREAMS.connections,
            threads=peak_threads,
            database_connections=peak_connections,
        )

    @contextmanager
    def _loading(
        self, scenario: Scenario, target: Target, *, seconds: float, ramp_s: float = 0
    ) -> Iterator[tuple[Process, Path]]:
        body, log = self._folder / "body.json", self._folder / "load.json"
        body.write_text(scenario.body)
        options: dict[str, object] = {
            "-p": target.port,
            "-u": target.path,
            "-b": body,
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


def _cpu_s(target: Target) -> float | None:
    return None if target.pid is None else read_cpu_s(target.pid)


def _to_measurement(scenario: Scenario, target: Target, log: Path, cpu_before: float | None) -> Measurement:
    try:
        counted = json.loads(log.read_text())
        cpu_after = _cpu_s(target)
    except (ValueError, OSError) as exc:
        raise BenchmarkError(f"{scenario.name} on {target.name} failed: {exc}\n{tail(log)}") from exc
    cpu_s = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    return Measurement(scenario=scenario.name, target=target.name, cpu_s=cpu_s, **counted)

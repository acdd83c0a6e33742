"""GPUs as the desk shows them: what holds the memory of each, by the engine's own accounting and by NVML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from modelops.domain.fit.measured_run import name_as_estimate
from modelops.hardware import GpuProcess, GpuReading
from modelops.models import Engine, EngineState


@dataclass(frozen=True)
class MemoryParts:
    """Bytes of one card. They add up to `total`; weights and KV cache are what the engine's log told."""

    total: int
    weights: int
    kv_cache: int
    engine_rest: int
    """Activation, CUDA graphs, libraries and whatever else our own processes hold."""
    others: int
    free: int


def split_memory(gpu: GpuReading, engine: Engine | None) -> MemoryParts | None:
    """None where the driver does not tell the card's memory.

    What the engine measured is cut to what its processes hold, as an engine that is still loading holds less.
    Where the driver tells no sizes of processes, all that is used is the engine's if there is one.
    """
    if gpu.total_bytes is None or gpu.used_bytes is None:
        return None
    used = min(gpu.used_bytes, gpu.total_bytes)
    ours = _count_ours(gpu, used, has_engine=engine is not None)
    actual = name_as_estimate(engine.actual or {}) if engine else {}
    weights = min(int(actual.get("weights_bytes") or 0), ours)
    kv_cache = min(int(actual.get("kv_cache_bytes") or 0), ours - weights)
    return MemoryParts(
        total=gpu.total_bytes,
        weights=weights,
        kv_cache=kv_cache,
        engine_rest=ours - weights - kv_cache,
        others=used - ours,
        free=gpu.total_bytes - used,
    )


def _count_ours(gpu: GpuReading, used: int, *, has_engine: bool) -> int:
    processes = gpu.processes or ()
    if any(process.used_bytes is None for process in processes if process.is_ours) or gpu.processes is None:
        foreign = sum(process.used_bytes or 0 for process in processes if not process.is_ours)
        return max(0, used - foreign) if has_engine else 0
    return min(used, gpu.our_bytes)


def find_engine_on(gpu: GpuReading, engines: Sequence[Engine]) -> Engine | None:
    """The running engine that was given this card; else the only one, where processes of ours are on it."""
    running = [engine for engine in engines if engine.state != EngineState.ENDED]
    names = {gpu.uuid, str(gpu.index)}
    named = next((engine for engine in running if names & {str(name) for name in engine.gpus}), None)
    is_only = len(running) == 1 and any(process.is_ours for process in gpu.processes or ())
    return named or (running[0] if is_only else None)


def describe_card(gpu: GpuReading, engines: Sequence[Engine]) -> dict[str, Any]:
    """Plain JSON values."""
    engine = find_engine_on(gpu, engines)
    parts = split_memory(gpu, engine)
    return {
        "index": gpu.index,
        "name": gpu.name,
        "memory": None if parts is None else asdict(parts),
        "utilization_percent": gpu.utilization_percent,
        "temperature_c": gpu.temperature_c,
        "power_w": None if gpu.power_w is None else round(gpu.power_w),
        "power_limit_w": None if gpu.power_limit_w is None else round(gpu.power_limit_w),
        "profile": engine.profile if engine else None,
        "is_usable": gpu.is_usable,
        "processes": [_describe_process(process) for process in gpu.processes or ()],
    }


def _describe_process(process: GpuProcess) -> dict[str, Any]:
    return {
        "pid": process.pid,
        "name": process.name,
        "used_bytes": process.used_bytes,
        "is_ours": process.is_ours,
    }

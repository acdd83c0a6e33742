"""What processes have used, from /proc: all their threads, those that ended included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class MemoryUse:
    resident_kb: int
    threads: int


def read_cpu_s(pid: int) -> float:
    """Of the process and all that it started, children that have ended included. OSError when it is gone."""
    try:
        process = psutil.Process(pid)
        return sum(_own_cpu_s(each) for each in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess as exc:
        raise ProcessLookupError(str(exc)) from exc


def _own_cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # its parent counts it from now on
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def read_memory(pid: int) -> MemoryUse:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return MemoryUse(resident_kb=int(values["VmRSS"].split()[0]), threads=int(values["Threads"]))

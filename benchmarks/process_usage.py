"""What a process has used, from /proc: all its threads, those that ended included."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
USER_TICKS, SYSTEM_TICKS = 11, 12
"""Positions in /proc/PID/stat after the command's name, which may hold spaces (proc(5))."""


@dataclass(frozen=True)
class MemoryUse:
    resident_kb: int
    threads: int


def read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / TICKS_PER_S


def read_memory(pid: int) -> MemoryUse:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return MemoryUse(resident_kb=int(values["VmRSS"].split()[0]), threads=int(values["Threads"]))

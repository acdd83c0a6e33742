"""The processes of an engine, by Linux's /proc: those in the session that its first process leads."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from modelops.runtimes.process_keeper import read_start_ticks

PROC = Path("/proc")


def find_members(leader: int) -> list[int]:
    """Living processes of that session, zombies left out. Without /proc just the leader."""
    if not PROC.is_dir():
        return [leader]
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit()]
    return [pid for pid in pids if _is_in_session(pid, leader) and _is_alive(pid)]


def identify_host() -> str:
    """This boot and this process namespace: process ids from elsewhere mean nothing here."""
    with contextlib.suppress(OSError):
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(PROC / 'self/ns/pid')}"
    return ""


def kill_orphans(leader: int, start_ticks: int | None) -> list[int]:
    """SIGKILL what is left of the session that this process led; who they were.

    A living leader that started at another time means that the id was given anew: then nothing is ours.
    """
    members = find_members(leader)
    if leader in members and read_start_ticks(leader) != start_ticks:
        return []
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return members


def _is_in_session(pid: int, leader: int) -> bool:
    # A system call instead of a file for each process of the machine.
    with contextlib.suppress(OSError):
        return os.getsid(pid) == leader
    return False


def _is_alive(pid: int) -> bool:
    """False for a zombie. By proc_pid_stat(5), whose name may hold spaces and brackets."""
    with contextlib.suppress(OSError):
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    return False

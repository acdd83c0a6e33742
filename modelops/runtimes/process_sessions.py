"""The processes of an engine, by Linux's /proc: those in the session that its first process leads."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from modelops.runtimes.process_keeper import read_start_ticks

PROC = Path("/proc")
_AFTER_NAME_SESSION = 3


def find_members(leader: int) -> list[int]:
    """Living processes of that session, zombies left out. Without /proc just the leader."""
    if not PROC.is_dir():
        return [leader]
    return [
        int(folder.name)
        for folder in PROC.glob("[0-9]*")
        if (fields := _read_stat(folder))
        and fields[0] not in "ZX"
        and fields[_AFTER_NAME_SESSION] == str(leader)
    ]


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


def _read_stat(folder: Path) -> list[str]:
    """proc_pid_stat(5) from the state on, which follows a name that may hold spaces and brackets."""
    try:
        stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()

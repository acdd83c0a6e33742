"""Starts one engine, waits for it and puts its end on record: the parent that outlives the switcher.

Run as `python -IS process_keeper.py RECORD PROGRAM ARGUMENT…` in a session of its own, with the locked file
of the record open, so that the lock is held for as long as it lives. When it is killed, the kernel ends the
engine. Standard library only, so that it costs a few megabytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

OOM_WINDOW_S = 15.0
NOT_FOUND = 127
PR_SET_PDEATHSIG = 1


class OomWatch:
    """Counts what the kernel killed on this machine for want of memory, now and some seconds ago.

    Other programs count too: so it is asked only about an engine that ended badly.
    """

    def __init__(self) -> None:
        self._samples = [count_oom_kills()] * 2

    def start(self) -> None:
        threading.Thread(target=self._sample, daemon=True).start()

    def has_struck(self) -> bool:
        return count_oom_kills() > self._samples[0]

    def _sample(self) -> None:
        while True:
            time.sleep(OOM_WINDOW_S)
            self._samples = [self._samples[1], count_oom_kills()]


def count_oom_kills() -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def read_start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot: with it an id names one process.

    proc_pid_stat(5): the 20th field after the name, which may hold spaces and brackets.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def write_record(path: Path, record: dict[str, Any]) -> None:
    """All of it or nothing, whenever we are killed."""
    candidate = path.with_suffix(".new")
    descriptor = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    candidate.replace(path)


def main() -> int:
    path, argv = Path(sys.argv[1]), sys.argv[2:]
    record: dict[str, Any] = json.loads(path.read_text())
    record["keeper_pid"] = os.getpid()
    oom = OomWatch()
    try:
        engine = start_engine(argv)
    except OSError as exc:
        print(f"{argv[0]}: {exc.strerror}", file=sys.stderr, flush=True)
        write_record(path, record | {"exit_code": NOT_FOUND})
        return 0
    record |= {"pid": engine.pid, "start_ticks": read_start_ticks(engine.pid), "started_at": time.time()}
    write_record(path, record)
    oom.start()
    code = engine.wait()
    # As in a container: what the engine started does not outlive it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(engine.pid, signal.SIGKILL)
    # As shells and Docker count: 137 is 128 and SIGKILL.
    exit_code = 128 - code if code < 0 else code
    write_record(path, record | {"exit_code": exit_code, "was_oom_killed": bool(code) and oom.has_struck()})
    return 0


def start_engine(argv: list[str]) -> subprocess.Popen[bytes]:
    """The engine as leader of its own session; signals that an operator sends to us go to it."""
    libc, keeper_pid = ctypes.CDLL(None), os.getpid()

    def end_with_keeper() -> None:
        if sys.platform == "linux":
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != keeper_pid:  # it died before that
                os.kill(os.getpid(), signal.SIGKILL)

    engine = subprocess.Popen(  # noqa: S603 - the switcher's argv, never a shell
        argv, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_keeper
    )

    def pass_on(number: int, frame: FrameType | None) -> None:
        engine.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)
    return engine


if __name__ == "__main__":
    sys.exit(main())

"""Child processes: started on a core of their own, stopped with the benchmark, however that ends."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
LOG_TAIL_BYTES = 2000

Process = subprocess.Popen[bytes]


class BenchmarkError(Exception):
    """The benchmark cannot be run as asked. The message is for whoever ran it."""


@dataclass(frozen=True)
class Cores:
    """Where processes run: the server under test has its core to itself, everything else shares the other."""

    server: int | None
    others: int | None


def choose_cores() -> Cores:
    """The first two cores that this process may use; no pinning where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    core: int | None,
    environment: Mapping[str, str] | None = None,
    owner: pwd.struct_passwd | None = None,
    folder: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[Process]:
    """A child while inside, its output in `log`. Ctrl-C does not reach it: stopping it is our business."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
    try:
        yield process
    finally:
        _stop(process, stop_signal)


def _stop(process: Process, stop_signal: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_ready(process: Process, is_ready: Callable[[], bool], *, log: Path) -> None:
    """Raises BenchmarkError when the process ends, or is not ready in time."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchmarkError(f"{process.args!r} ended with {process.returncode}:\n{tail(log)}")
        if is_ready():
            return
        time.sleep(0.05)
    raise BenchmarkError(f"{process.args!r} was not ready in {READY_TIMEOUT_S:g} seconds:\n{tail(log)}")


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def tail(log: Path) -> str:
    return log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

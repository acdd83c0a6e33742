"""Child processes, and the cores that they run on. They stop with the benchmark, however that ends."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
LOG_TAIL_BYTES = 2000

Process = subprocess.Popen[bytes]


class BenchmarkError(Exception):
    """The benchmark cannot be run as asked. The message is for whoever ran it."""


def reserve_core() -> int | None:
    """A core for the server under test alone: this process, and what it starts, moves to the next one.

    None where only one core may be used.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    os.sched_setaffinity(0, {allowed[1]})
    return allowed[0]


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[Process]:
    """A child while inside, its output in `log`, on our own core unless another is given.

    Ctrl-C does not reach it: stopping it is our business.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: Process) -> None:
    if process.poll() is not None:
        return
    process.terminate()
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

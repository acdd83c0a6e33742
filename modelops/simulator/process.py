"""Starting a simulator as a child process, for tests and demonstrations."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

_ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.02
_TERMINATE_S = 5.0


class Process(Protocol):
    """What is used of subprocess.Popen."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class SimulatorNotReadyError(Exception):
    """The simulator exited or ran out of time before it was ready; carries its log and exit code."""

    def __init__(self, reason: str, *, log: str, returncode: int | None) -> None:
        super().__init__(f"{reason}\n{log}")
        self.log = log
        self.returncode = returncode


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator process. ``base_url`` has no trailing slash and no ``/v1``."""

    process: Process
    port: int
    log_path: Path

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def read_log(self) -> str:
        """Everything printed so far, stdout and stderr interleaved."""
        return self.log_path.read_text(errors="replace")

    def health_status(self) -> int | None:
        """The status of ``/health``, or None while the connection is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()


def start_python(arguments: list[str], environment: Mapping[str, str], log: IO[bytes]) -> Process:
    """`python ARGUMENTS`, with its output in `log`. The tests put in place of this what forks instead."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
    )


def find_free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def start_simulator(
    *flags: str,
    model: str = "simulated-model",
    port: int | None = None,
    startup_s: float = 0.0,
    wait_until_ready: bool = True,
    timeout_s: float = 20.0,
    env: Mapping[str, str] | None = None,
) -> Iterator[RunningSimulator]:
    """Run one simulator on 127.0.0.1 and end it on leaving, whatever happens.

    With ``wait_until_ready`` it is listening on entry (``/health`` answers, with any status), or
    SimulatorNotReadyError is raised with its log. Output goes to a file: a full pipe would stop it.
    """
    chosen_port = port or find_free_port()
    command = ["-m", "modelops.simulator", "serve", model]
    command += ["--host", "127.0.0.1", "--port", str(chosen_port)]
    command += ["--sim-startup-seconds", str(startup_s), *flags]
    python_path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    child_env = os.environ | {"PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"} | dict(env or {})
    with tempfile.TemporaryDirectory(prefix="simulator-") as folder:
        log_path = Path(folder, "log")
        with log_path.open("wb") as log:
            process = start_python(command, child_env, log)
        simulator = RunningSimulator(process=process, port=chosen_port, log_path=log_path)
        try:
            if wait_until_ready:
                _wait_until_listening(simulator, timeout_s=timeout_s)
            yield simulator
        finally:
            _end(process)


def _wait_until_listening(simulator: RunningSimulator, *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while simulator.process.poll() is None:
        if simulator.health_status() is not None:
            return
        if time.monotonic() > deadline:
            raise SimulatorNotReadyError("timed out", log=simulator.read_log(), returncode=None)
        time.sleep(_POLL_S)
    code = simulator.process.returncode
    raise SimulatorNotReadyError(f"exited with {code}", log=simulator.read_log(), returncode=code)


def _end(process: Process) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_TERMINATE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Python processes for tests, forked from one that has imported things (`gateway.tests.fork_server`)."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from gateway.conf import BASE_DIR
from gateway.tests.preloaded_django import fits

KEPT_OF_ENVIRONMENT = ("PATH", "HOME", "LANG")


class ForkedProcess:
    """What tests use of subprocess.Popen."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server = server
        self._handle = os.pidfd_open(pid)
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; minus the signal that ended it. Raises subprocess.TimeoutExpired."""
        if (status := self._look(timeout)) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def send_signal(self, how: int) -> None:
        # Not reaped, so the number is nobody else's.
        if self.poll() is None:
            os.kill(self.pid, how)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_s: float | None) -> int | None:
        """The exit status, once there is one within that time."""
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            if poll.poll(None if timeout_s is None else timeout_s * 1000):
                self.returncode = self._server.reap(self.pid)
                os.close(self._handle)
        return self.returncode


class ForkServer:
    """Thread-safe. Its children end with it, and it with this process."""

    def __init__(self, kind: str) -> None:
        self._lock = threading.Lock()
        self._channel, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in KEPT_OF_ENVIRONMENT if name in os.environ}
        with contextlib.ExitStack() as on_failure, other_end:
            on_failure.callback(self._channel.close)
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.tests.fork_server", str(other_end.fileno()), kind],
                cwd=BASE_DIR,
                env={**environment, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                pass_fds=[other_end.fileno()],
                stdin=subprocess.DEVNULL,
            )
            on_failure.pop_all()

    def fork(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: Sequence[int]
    ) -> ForkedProcess:
        order = {"arguments": list(arguments), "environment": dict(environment)}
        return ForkedProcess(self, self._ask(order, streams))

    def reap(self, pid: int) -> int:
        return self._ask({"reap": pid})

    def end(self) -> None:
        self._channel.close()
        self.process.wait()

    def _ask(self, order: Mapping[str, Any], streams: Sequence[int] = ()) -> int:
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(order).encode()], streams)
            if not (answer := self._channel.recv(64)):
                raise RuntimeError("the process that forks others has ended; its last words are above")
        number: int = json.loads(answer)
        return number


@functools.cache
def fork_server(kind: str) -> ForkServer:
    """The test run's of this kind, started where it is first needed."""
    server = ForkServer(kind)
    atexit.register(server.end)
    return server


def start_python(
    *arguments: str,
    environment: Mapping[str, str],
    stdin: IO[Any] | int | None = None,
    stdout: IO[Any] | int,
    stderr: IO[Any] | int = 2,
) -> ForkedProcess:
    """`python ARGUMENTS` in the project's folder, with this environment and nothing else of ours.

    `stdin` and `stdout` may be subprocess.PIPE. Variables that are read before Python begins have no effect,
    but LD_LIBRARY_PATH: the libraries in its folders are loaded.
    """
    with contextlib.ExitStack() as stack:
        ours: dict[str, IO[str]] = {}
        if stdin is None:
            stdin = stack.enter_context(open(os.devnull, "rb"))
        elif stdin == subprocess.PIPE:
            stdin, ours["stdin"] = _open_pipe(stack, is_for_child_to_read=True)
        if stdout == subprocess.PIPE:
            stdout, ours["stdout"] = _open_pipe(stack, is_for_child_to_read=False)
        numbers = [each if isinstance(each, int) else each.fileno() for each in (stdin, stdout, stderr)]
        kind = "with-django" if fits(environment) else "without-django"
        process = fork_server(kind).fork(arguments, environment, numbers)
        process.stdin, process.stdout = ours.get("stdin"), ours.get("stdout")
        return process


def _open_pipe(stack: contextlib.ExitStack, *, is_for_child_to_read: bool) -> tuple[int, IO[str]]:
    """The child's end, open until the stack closes, and ours."""
    reading, writing = os.pipe()
    theirs = reading if is_for_child_to_read else writing
    stack.callback(os.close, theirs)
    return theirs, os.fdopen(writing, "w") if is_for_child_to_read else os.fdopen(reading, "r")


def run_python(
    *arguments: str, environment: Mapping[str, str], timeout_s: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """The same until its end, with what it printed. Raises subprocess.TimeoutExpired, and ends it then."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = start_python(*arguments, environment=environment, stdout=stdout, stderr=stderr)
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for stream in (stdout, stderr):
            stream.seek(0)
        return subprocess.CompletedProcess(arguments, status, stdout.read().decode(), stderr.read().decode())

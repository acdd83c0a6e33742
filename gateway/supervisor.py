"""Runs the gateway's processes as children and ends them together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from gateway.conf import BASE_DIR

STOP_TIMEOUT_S = 4.0
RESTART_DELAYS_S = (0.5, 1.0, 2.0, 5.0, 10.0)
PR_SET_PDEATHSIG = 1
LAST_WORDS = 4000
"""Characters of its log that are shown of a child that ended."""


@dataclass
class Child:
    """A program to keep running. One that is `essential` ends the whole when it ends."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    is_essential: bool
    log_path: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    restart_at: float = 0.0
    _log: IO[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        if self.log_path is not None and self._log is None:
            self._log = self.log_path.open("ab")
        self.process = subprocess.Popen(  # noqa: S603 - our own argv, never a shell
            list(self.argv),
            env=dict(self.environment),
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT if self._log else None,
            # Ctrl-C reaches the terminal's whole foreground group: children are stopped by us, in order.
            start_new_session=True,
            preexec_fn=end_with_parent,
        )

    def close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def last_words(self) -> str:
        """The end of its log, which says why it ended; nothing where it wrote to the terminal."""
        if self.log_path is None or not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace")[-LAST_WORDS:].splitlines())


def end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Starts children, restarts those that may be, and stops all within STOP_TIMEOUT_S."""

    def __init__(self, children: Sequence[Child], *, say: Callable[[str], None]) -> None:
        self._children = children
        self._say = say
        self._is_stopping = False
        self._news, self._notify = os.pipe()
        os.set_blocking(self._notify, False)
        self._when_entered: Callable[[], None] | None = None

    def run(self, *, when_started: Callable[[], None], when_entered: Callable[[], None] | None = None) -> int:
        """Run until a signal (exit code 0) or the end of an essential child (1).

        `when_entered` is called at each line that is typed meanwhile.
        """
        self._when_entered = when_entered
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        try:
            for child in self._children:
                child.start()
            when_started()
            return self._watch()
        finally:
            self._stop_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = self._is_stopping or number != signal.SIGCHLD
        with contextlib.suppress(BlockingIOError):
            os.write(self._notify, b"\0")

    @property
    def is_stopping(self) -> bool:
        """Whether a signal came, or an essential child has ended."""
        return self._is_stopping or any(
            child.is_essential and child.process is not None and child.process.poll() is not None
            for child in self._children
        )

    def _watch(self) -> int:
        while not self._is_stopping:
            for child in self._children:
                if child.process is not None and child.process.poll() is not None:
                    if child.is_essential:
                        self._say(f"{child.name} ended with code {child.process.returncode}; stopping.")
                        if words := child.last_words():
                            self._say(words)
                        return 1
                    self._schedule_restart(child, child.process.returncode)
                elif child.process is None and time.monotonic() >= child.restart_at:
                    child.start()
            self._wait()
        return 0

    def _wait(self) -> None:
        """Until a signal comes, that of an ended child included, or a child is to be started again."""
        due_at = min((child.restart_at for child in self._children if child.process is None), default=None)
        timeout_s = None if due_at is None else max(0.0, due_at - time.monotonic())
        typed = [sys.stdin] if self._when_entered is not None else []
        ready = select.select([self._news, *typed], [], [], timeout_s)[0]
        if self._news in ready:
            os.read(self._news, select.PIPE_BUF)
        if sys.stdin in ready:
            self._take_line()

    def _take_line(self) -> None:
        if not sys.stdin.readline():  # the terminal's end
            self._when_entered = None
        elif self._when_entered is not None:
            self._when_entered()

    def _schedule_restart(self, child: Child, code: int) -> None:
        delay_s = RESTART_DELAYS_S[min(child.restarts, len(RESTART_DELAYS_S) - 1)]
        self._say(f"{child.name} ended with code {code}; starting it again in {delay_s:g} s.")
        child.restarts += 1
        child.process = None
        child.restart_at = time.monotonic() + delay_s

    def _stop_all(self) -> None:
        running = [c.process for c in self._children if c.process is not None and c.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in running:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for child in self._children:
            child.close_log()


def is_port_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True

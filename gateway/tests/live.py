"""A whole gateway as its own process, for tests that speak to it as a client does."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway.tests.databases import ADMIN_PASSWORD, USER_PASSWORD, Stores, own_database
from gateway.tests.forked import ForkedProcess, run_python, start_python
from modelops.simulator.process import find_free_port

START_TIMEOUT_S = 30.0
OUT_OF_REACH = {
    "RATE_LIMIT_REQUESTS": "100000",
    "LOGIN_RATE": "10000/m",
    "REST_RATE": "100000/m",
    "ADDRESS_RATE": "100000/m",
    "PROBE_RATE": "100000/m",
    "MAX_CONCURRENT_STREAMS": "100000",
}
"""Limits that no test meets by accident."""


class GatewayProcess:
    """One web process (uvicorn) with a database of its own. Can be killed and started again on its data."""

    def __init__(self, environment: Mapping[str, str], *, log_path: Path, port: int | None = None) -> None:
        self.environment = dict(environment)
        self.log_path = log_path
        self.port = port or find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: ForkedProcess | None = None
        self._tokens: dict[str, str] = {}

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with self.log_path.open("ab") as log:
            self.process = start_python(
                *("manage.py", "run_web", "--port", str(self.port), "--shutdown-timeout", "2"),
                environment=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        # A socket first: to make an HTTP client costs more than all of the waiting.
        if not accepts_connections(self.port):
            return False
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{self.url}/", timeout=2)
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process with a signal; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(15)

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def log_events(self, name: str) -> list[dict[str, Any]]:
        """The JSON log lines with this event name, oldest first."""
        lines = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == name]

    def manage(self, *arguments: str) -> str:
        """The output of a manage.py command on this gateway's data."""
        done = run_python("manage.py", *arguments, environment=self.environment)
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments}: {done.stderr[-3000:]}")
        return done.stdout

    def token(self, username: str = "demo") -> str:
        """An access token, by logging in once."""
        if username not in self._tokens:
            password = ADMIN_PASSWORD if username == "admin" else USER_PASSWORD
            answer = httpx.post(
                f"{self.url}/api/auth/login", json={"username": username, "password": password}
            )
            answer.raise_for_status()
            self._tokens[username] = answer.json()["access_token"]
        return self._tokens[username]

    def client(self, username: str = "demo") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(username)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@contextlib.contextmanager
def start_gateway(
    stores: Stores, folder: Path, engine_url: str, **overrides: str
) -> Iterator[GatewayProcess]:
    """A migrated, seeded gateway with a database of its own in `stores`. `overrides` are settings."""
    settings = {
        "VLLM_BASE_URL": engine_url,
        "LOG_FORMAT": "json",
        **OUT_OF_REACH,
        "PYTHONUNBUFFERED": "1",
        # Else engines get calls that no test has made.
        "AUTO_TITLES": "false",
        **overrides,
    }
    with own_database(stores, folder) as common:
        gateway = GatewayProcess(common | settings, log_path=folder / "gateway.log")
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop(signal.SIGTERM)


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of loopback."""
    with socket.socket() as attempt:
        return not attempt.connect_ex(("127.0.0.1", port))


def wait_until(
    condition: Any, *, timeout_s: float = 10.0, what: str = "the condition", poll_s: float = 0.02
) -> Any:
    """`condition()`'s first true value. Fails the test when it stays false."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s for {what}")
        time.sleep(poll_s)

"""A Redis of a test's own, which can be stopped and started again."""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gateway.tests.live import accepts_connections, wait_until
from gateway.tests.needs import find_program
from gateway.tests.proxies import HOST, make_certificate
from gateway.tests.services import find_redis
from modelops.simulator.process import find_free_port


class RedisServer:
    """In memory only: what it knew is gone after a stop."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._program: str | Path = find_redis()
        self._options = ["--port", str(self.port)]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [*self._options, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *options], stdout=log, stderr=log)
        wait_until(lambda: accepts_connections(self.port), what="Redis to start")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(15)
            self._process = None


class SecuredRedis(RedisServer):
    """Answers over TLS alone, to those who know its password. Raises NeedMissing.

    The system's program: the one of the package was built without TLS.
    """

    def __init__(self, folder: Path) -> None:
        self._program = find_program("redis-server")
        certificate, key = make_certificate(folder)
        self.port, password = find_free_port(), secrets.token_urlsafe()
        self.url = f"rediss://:{password}@{HOST}:{self.port}/0?ssl_ca_certs={certificate}"
        files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
        self._options = ["--port", "0", "--tls-port", str(self.port), "--requirepass", password, *files]
        self._folder = folder
        self._process = None


@contextlib.contextmanager
def running_redis(folder: Path, kind: type[RedisServer] = RedisServer) -> Iterator[RedisServer]:
    server = kind(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)

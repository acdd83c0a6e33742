"""A real PgBouncer in front of the PostgreSQL of the run, whose pools are by transaction."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gateway.tests.live import accepts_connections, wait_until
from gateway.tests.needs import find_program
from modelops.simulator.process import find_free_port

POOL_SIZE = 4
"""Fewer connections than the processes of a test open: they really share them."""
CONFIGURATION = """\
[databases]
* = host={host} port={server_port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
ignore_startup_parameters = options
"""


@contextmanager
def start_pooler(server_url: str, folder: Path) -> Iterator[int]:
    """The port that it listens on. Raises NeedMissing."""
    program, server, port = find_program("pgbouncer"), urlsplit(server_url), find_free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(
        CONFIGURATION.format(
            host=server.hostname,
            server_port=server.port,
            user=server.username,
            port=port,
            pool_size=POOL_SIZE,
        )
    )
    command = [program, str(file)]
    if os.geteuid() == 0:
        # It refuses to run as root, and goes over to somebody else by itself.
        command += ["--user", "nobody"]
    with (folder / "out.log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: accepts_connections(port), what="PgBouncer to start")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)

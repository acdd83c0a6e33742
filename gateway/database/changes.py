"""Wakes the processes that wait for somebody else's change of the database, without a broker.

On PostgreSQL by LISTEN and NOTIFY, on SQLite through named pipes in a folder beside its file, one for each
process that waits. A call may get lost: who waits looks by itself as well, about once a second
(docs/adr/0009).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, connection, connections, transaction

from gateway.database.rows import is_postgresql
from gateway.ids import new_id

if TYPE_CHECKING:
    import psycopg

log = structlog.get_logger()

CHANNEL = "gateway_changes"
RETRY_S = 5.0
STOP_TIMEOUT_S = 1.0
FOLDER_SUFFIX = "-wake"
PIPES = "*.pipe"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def announce_change() -> None:
    """Wake every process that listens, once the transaction under way has committed."""
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    else:
        transaction.on_commit(partial(_ring, _find_folder()), robust=True)


class ChangeListener:
    """Calls `on_change` from a thread of its own, after each announcement and whenever it begins to listen:
    what was announced before that got lost. Connects anew when its connection dies; never raises."""

    def __init__(self, on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="change-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more. Idempotent; waits for a moment only, though the thread may be connecting."""
        if self._stop_write < 0:
            return
        os.close(self._stop_write)
        self._stop_write = -1
        self._thread.join(STOP_TIMEOUT_S)
        if not self._thread.is_alive():
            os.close(self._stop_read)

    def join(self) -> None:
        """Wait until it listens no more, as where nothing can be listened to."""
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                with _open_source() as source:
                    if source is None:
                        return
                    self._on_change()
                    self._follow(source)
                    return
            except (OSError, Error) as exc:
                log.warning("changes_not_announced", error=str(exc))
            if select.select([self._stop_read], [], [], RETRY_S)[0]:
                return

    def _follow(self, source: Source) -> None:
        """Pass announcements on until `stop`. Raises when the source dies."""
        while True:
            readable, _, _ = select.select([source.fileno(), self._stop_read], [], [])
            if self._stop_read in readable:
                return
            if source.drain():
                self._on_change()


@contextlib.contextmanager
def listening(on_change: Callable[[], object]) -> Iterator[None]:
    """Have `on_change` called on the event loop that runs, as ChangeListener would call it."""
    loop = asyncio.get_running_loop()
    listener = ChangeListener(lambda: loop.call_soon_threadsafe(on_change))
    try:
        yield
    finally:
        listener.stop()


class Source(Protocol):
    """Becomes readable when something was announced."""

    def fileno(self) -> int: ...

    def drain(self) -> bool:
        """Take what has arrived; whether an announcement was among it. Raises when the source has died."""


class _Notifications:
    """Those of PostgreSQL. The connection is not Django's: it belongs to the listening thread alone."""

    def __init__(self, session: psycopg.Connection) -> None:
        self._session = session

    def fileno(self) -> int:
        return self._session.fileno()

    def drain(self) -> bool:
        self._session.pgconn.consume_input()
        found = False
        while self._session.pgconn.notifies() is not None:
            found = True
        return found


class _Pipe:
    """A named pipe that others write to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def drain(self) -> bool:
        return bool(os.read(self._descriptor, select.PIPE_BUF))


@contextlib.contextmanager
def _open_source() -> Iterator[Source | None]:
    """None where nothing can be listened to, now or later. The driver's errors become Django's."""
    if connections.settings[DEFAULT_DB_ALIAS]["ENGINE"].endswith("sqlite3"):
        with _open_pipe(_find_folder()) as descriptor:
            yield _Pipe(descriptor)
        return
    # psycopg is for PostgreSQL alone: commands on SQLite begin without it.
    from gateway.database.base import is_pooled
    from gateway.database.sessions import connect_apart

    with connections[DEFAULT_DB_ALIAS].wrap_database_errors, contextlib.closing(connect_apart()) as session:
        session.autocommit = True
        if is_pooled(session):
            # In transaction mode LISTEN would register a server's process that serves others as well.
            log.info("changes_not_announced", error="a connection pooler passes no notifications on")
            yield None
            return
        session.execute(f"LISTEN {CHANNEL}")
        yield _Notifications(session)


@contextlib.contextmanager
def _open_pipe(folder: Path) -> Iterator[int]:
    """A pipe for this process, under its name only once it is open: one without a reader is deleted."""
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    name = new_id().hex
    unopened, pipe = folder / f"{name}.new", folder / f"{name}.pipe"
    os.mkfifo(unopened, PRIVATE_FILE)
    # For writing too: else it would be at its end whenever the last writer closes it.
    descriptor = os.open(unopened, os.O_RDWR | os.O_NONBLOCK)
    try:
        unopened.rename(pipe)
        yield descriptor
    finally:
        pipe.unlink(missing_ok=True)
        os.close(descriptor)


def _ring(folder: Path) -> None:
    for pipe in folder.glob(PIPES):
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                # Its process was killed.
                pipe.unlink(missing_ok=True)
            continue
        with contextlib.suppress(BlockingIOError):  # it is full: that process will wake up anyway
            os.write(descriptor, b"\0")
        os.close(descriptor)


def _find_folder() -> Path:
    file = Path(connections.settings[DEFAULT_DB_ALIAS]["NAME"])
    return file.with_name(file.name + FOLDER_SUFFIX)

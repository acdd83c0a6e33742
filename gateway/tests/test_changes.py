"""Announced changes reach whoever listens; one that gets lost costs the time until the next look."""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from gateway.database import changes
from gateway.database.changes import ChangeListener, announce_change

pytestmark = pytest.mark.django_db(transaction=True)
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"

KEY_DATA = re.compile(rb"(K\0\0\0\x0c)....", re.DOTALL)
"""The server's message with the process id and the key to cancel by."""


@pytest.fixture
def embedded() -> Path:
    """The folder of the pipes."""
    if connection.vendor != "sqlite":
        pytest.skip("pipes are SQLite's")
    return Path(connection.settings_dict["NAME"] + changes.FOLDER_SUFFIX)


@contextmanager
def listening() -> Iterator[threading.Semaphore]:
    """One permit for each call, from when the listener has begun to listen."""
    calls = threading.Semaphore(0)
    listener = ChangeListener(calls.release)
    try:
        assert calls.acquire(timeout=10)
        yield calls
    finally:
        listener.stop()


def test_an_announcement_is_heard() -> None:
    with listening() as calls:
        announce_change()

        assert calls.acquire(timeout=10)


def test_an_announcement_counts_once_its_transaction_has_committed() -> None:
    heard_within = []
    with listening() as calls:
        with transaction.atomic():
            announce_change()
            heard_within.append(calls.acquire(blocking=False))

        assert heard_within == [False]
        assert calls.acquire(timeout=10)


def test_everybody_who_listens_hears_it() -> None:
    with listening() as first, listening() as second:
        announce_change()

        assert first.acquire(timeout=10)
        assert second.acquire(timeout=10)


def test_the_pipe_of_a_process_that_was_killed_is_deleted(embedded: Path) -> None:
    embedded.mkdir(exist_ok=True)
    left = embedded / "left.pipe"
    os.mkfifo(left)

    with listening() as calls:
        announce_change()

        assert calls.acquire(timeout=10)
        assert not left.exists()
        assert len(list(embedded.iterdir())) == 1

    assert list(embedded.iterdir()) == []


@pytest.mark.services
def test_a_connection_that_was_killed_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "RETRY_S", 0.05)
    with listening() as calls, connection.cursor() as cursor:
        cursor.execute(LISTENERS)
        [(pid,)] = cursor.fetchall()
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

        assert calls.acquire(timeout=10), "what was announced meanwhile is looked for"
        announce_change()
        assert calls.acquire(timeout=10)


@pytest.mark.services
def test_nothing_is_listened_to_through_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = connections.settings["default"]
    said: list[dict[str, object]] = []
    monkeypatch.setattr(changes.log, "info", lambda event, **values: said.append(values))
    with pooler(settings["HOST"], int(settings["PORT"])) as port:
        monkeypatch.setitem(settings, "PORT", port)
        ChangeListener(lambda: None).join()
        monkeypatch.undo()

    with connection.cursor() as cursor:
        cursor.execute(LISTENERS)
        assert cursor.fetchall() == []
    assert "pooler" in str(said)


@contextmanager
def pooler(host: str, port: int) -> Iterator[int]:
    """The port of a proxy for one connection, which like PgBouncer makes up the process id to cancel by."""
    with socket.create_server(("127.0.0.1", 0)) as listening_socket:
        threading.Thread(target=_pool_one, args=(listening_socket, host, port), daemon=True).start()
        yield listening_socket.getsockname()[1]


def _pool_one(listening_socket: socket.socket, host: str, port: int) -> None:
    client, _ = listening_socket.accept()
    with client, socket.create_connection((host, port)) as server:
        while True:
            readable, _, _ = select.select([client, server], [], [])
            data = readable[0].recv(2**16)
            if not data:
                return
            if readable[0] is client:
                server.sendall(data)
            else:
                client.sendall(KEY_DATA.sub(rb"\g<1>" + struct.pack("!i", 1), data))

"""What open streams hold: no database connection, no thread, little memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import psycopg
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator

STREAMS = 40


@contextmanager
def open_streams(gateway: GatewayProcess, count: int) -> Iterator[None]:
    """`count` stored chats, each with its first bytes received, held open."""
    body = b'{"content": "x", "stream": true}'
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        readers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
            for _ in range(count)
        ]
        for reader in readers:
            reader.sendall(head + body)
        for reader in readers:
            assert reader.recv(12) == b"HTTP/1.1 200"
        yield


@pytest.fixture(scope="module")
def gateway_of_slow_engine(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "1"]
    with (
        start_simulator(*flags) as engine,
        start_gateway(
            stores,
            tmp_path_factory.mktemp("open"),
            engine.base_url,
            # Longer than the test: between two of these the worker gives its connection back.
            CHECKPOINT_INTERVAL="60",
            MESSAGE_LEASE="300",
        ) as gateway,
    ):
        yield gateway


@pytest.mark.services
def test_forty_open_streams_hold_no_database_connection(gateway_of_slow_engine: GatewayProcess) -> None:
    database_url = gateway_of_slow_engine.environment["DATABASE_URL"]
    name = database_url.rpartition("/")[2]

    def connections_of_the_gateway() -> int:
        with psycopg.connect(database_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [name]
            ).fetchone()
            assert row is not None
            return int(row[0])

    with open_streams(gateway_of_slow_engine, STREAMS):
        # One reads the board once a second, for all streams together, and one hears of changes. The sweeper
        # comes by every few seconds with another one that it does not keep.
        wait_until(
            lambda: connections_of_the_gateway() == 2,
            timeout_s=15,
            what="only the board's to be held, and the listener's",
        )


def test_open_streams_start_no_threads(gateway_of_slow_engine: GatewayProcess) -> None:
    assert gateway_of_slow_engine.process is not None
    process = psutil.Process(gateway_of_slow_engine.process.pid)
    with open_streams(gateway_of_slow_engine, 5):
        few = process.num_threads()

    with open_streams(gateway_of_slow_engine, STREAMS):
        many = process.num_threads()

    assert many <= few

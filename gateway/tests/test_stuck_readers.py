"""What readers that take nothing leave behind in the process that gave them up."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil

from chat.tests.scripted_engine import ScriptedEngine, delta_event, start_scripted_engine
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

READERS, ROUNDS = 40, 3
ALLOWED_BYTES = 15 * 2**20
PATH = "/v1/chat/completions"


def test_memory_is_given_back_after_readers_that_take_nothing(
    embedded_stores: Stores, tmp_path: Path
) -> None:
    with (
        start_scripted_engine() as engine,
        start_gateway(embedded_stores, tmp_path, engine.url, SEND_TIMEOUT="0.5") as gateway,
    ):
        assert gateway.process is not None
        process = psutil.Process(gateway.process.pid)
        long_answer(engine)
        get_stuck(gateway, rounds=1)  # what is loaded and allocated once
        before = process.memory_info().rss

        get_stuck(gateway, rounds=ROUNDS)

        wait_until(
            lambda: process.memory_info().rss < before + ALLOWED_BYTES,
            timeout_s=20,
            what="the memory to be given back",
        )


def test_slow_reader_gets_every_event_in_order(embedded_stores: Stores, tmp_path: Path) -> None:
    events = [delta_event(f"{number} " + "y" * 1000) for number in range(6000)]
    with (
        start_scripted_engine() as engine,
        start_gateway(embedded_stores, tmp_path, engine.url) as gateway,
        socket.socket() as reader,
    ):
        engine.reply(b"".join(events) + delta_event(finish_reason="stop") + b"data: [DONE]\n\n")
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(30)
        reader.connect(("127.0.0.1", gateway.port))
        reader.sendall(stream_request(gateway))

        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += reader.recv(3000)

    body = b"".join(chunks_of(received.partition(b"\r\n\r\n")[2]))
    assert body == engine.body


def chunks_of(body: bytes) -> Iterator[bytes]:
    """What a chunked body holds (RFC 9112, 7.1)."""
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


def long_answer(engine: ScriptedEngine) -> None:
    """More than the kernel's buffers hold."""
    engine.reply(delta_event("y" * 200) * 8000 + delta_event(finish_reason="stop") + b"data: [DONE]\n\n")


def stream_request(gateway: GatewayProcess) -> bytes:
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True})
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def get_stuck(gateway: GatewayProcess, *, rounds: int) -> None:
    """READERS at a time that ask for a stream and take nothing of it, until all are given up."""
    request = stream_request(gateway)

    def given_up() -> int:
        return sum(event["path"] == PATH for event in gateway.log_events("request"))

    for _ in range(rounds):
        expected = given_up() + READERS
        with ExitStack() as stack:
            for _ in range(READERS):
                reader = stack.enter_context(socket.socket())
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.connect(("127.0.0.1", gateway.port))
                reader.sendall(request)
            wait_until(lambda: given_up() >= expected, timeout_s=60, what="the readers to be given up")  # noqa: B023

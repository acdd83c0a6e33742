"""A connection to an engine, fed byte by byte: what it hands on, when it may be used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pytest

from chat.engine_connection import MAX_HEAD_BYTES, MAX_HELD_BYTES, BrokenOff, EngineConnection

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
BOUND_S = 10.0
"""When a test gives up."""


class Wire(asyncio.Transport):
    """A transport without a network: remembers what was written, and how reading was stopped and went on."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.paused = 0
        self.read_again = asyncio.Event()
        self.is_ended = False

    def writelines(self, pieces: Any) -> None:
        self.written += b"".join(pieces)

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.read_again.set()

    def abort(self) -> None:
        self.is_ended = True

    def is_closing(self) -> bool:
        return self.is_ended


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def connect() -> tuple[EngineConnection, Wire]:
    wire = Wire()
    connection = EngineConnection(lambda _connection: None)
    connection.connection_made(wire)
    return connection, wire


async def ask(connection: EngineConnection, answer: bytes = HEAD) -> None:
    """Send a request that gets this beginning of an answer."""
    async with asyncio.timeout(BOUND_S):
        asking = asyncio.create_task(connection.request(b"POST / HTTP/1.1\r\n\r\n", b"{}"))
        await asyncio.sleep(0)  # the request is written
        connection.data_received(answer)
        await asking


async def read(connection: EngineConnection) -> bytes:
    pieces: list[bytes] = []
    async with asyncio.timeout(BOUND_S):
        await connection.relay(pieces.append)
    return b"".join(pieces)


async def test_all_that_one_read_brings_is_one_piece_taken_at_once() -> None:
    connection, _wire = connect()
    await ask(connection)
    pieces: list[bytes] = []
    relaying = asyncio.create_task(connection.relay(pieces.append))
    await asyncio.sleep(0)  # it waits for the first piece

    connection.data_received(chunk(b"one ") + chunk(b"two "))
    at_once = list(pieces)
    connection.data_received(chunk(b"three") + LAST)
    await relaying

    assert at_once == [b"one two "]
    assert pieces == [b"one two ", b"three"]
    assert connection.is_reusable


async def test_pieces_that_come_while_one_is_being_taken_follow_it_in_order() -> None:
    connection, _wire = connect()
    await ask(connection)
    taken: list[bytes] = []
    may_go_on = asyncio.Event()

    async def take_slowly(data: bytes) -> None:
        await may_go_on.wait()
        taken.append(data)

    relaying = asyncio.create_task(connection.relay(take_slowly))
    await asyncio.sleep(0)
    connection.data_received(chunk(b"first"))
    connection.data_received(chunk(b"second"))
    await asyncio.sleep(0)
    connection.data_received(chunk(b"third") + LAST)
    may_go_on.set()
    async with asyncio.timeout(BOUND_S):
        await relaying

    assert taken == [b"first", b"secondthird"]


async def test_reading_stops_while_nobody_takes_what_is_held_and_goes_on_afterwards() -> None:
    connection, wire = connect()
    await ask(connection)
    may_go_on = asyncio.Event()
    taken: list[int] = []

    async def take_slowly(data: bytes) -> None:
        await may_go_on.wait()
        taken.append(len(data))

    relaying = asyncio.create_task(connection.relay(take_slowly))
    await asyncio.sleep(0)
    connection.data_received(chunk(b"x"))
    connection.data_received(chunk(b"x" * MAX_HELD_BYTES))
    assert wire.paused == 1

    may_go_on.set()
    async with asyncio.timeout(BOUND_S):
        await wire.read_again.wait()
        connection.data_received(LAST)
        await relaying

    assert taken == [1, MAX_HELD_BYTES]


async def test_reading_goes_on_after_what_came_before_anybody_took_it() -> None:
    connection, wire = connect()
    await ask(connection)
    connection.data_received(chunk(b"x" * MAX_HELD_BYTES))
    assert wire.paused == 1

    relaying = asyncio.create_task(connection.relay(lambda _data: None))
    async with asyncio.timeout(BOUND_S):
        await wire.read_again.wait()
        connection.data_received(LAST)
        await relaying


async def test_what_the_taker_raises_ends_the_relay_and_it_takes_no_more() -> None:
    connection, _wire = connect()
    await ask(connection)
    taken: list[bytes] = []

    def refuse(data: bytes) -> Coroutine[Any, Any, None] | None:
        taken.append(data)
        raise ValueError("enough")

    relaying = asyncio.create_task(connection.relay(refuse))
    await asyncio.sleep(0)
    connection.data_received(chunk(b"one"))
    connection.data_received(chunk(b"two") + LAST)

    with pytest.raises(ValueError, match="enough"):
        await relaying
    assert taken == [b"one"]


ENDS = {
    "chunks": (HEAD, chunk(b"text") + LAST, False, True),
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"text", False, True),
    "length, and no other request": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n",
        b"text",
        False,
        False,
    ),
    "end of the connection": (b"HTTP/1.1 200 OK\r\n\r\n", b"text", True, False),
    "HTTP 1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n", b"text", False, False),
    "trailer": (HEAD, chunk(b"text") + b"0\r\nServer-Timing: 9\r\n\r\n", False, True),
    "after interim responses": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"text",
        True,
        False,
    ),
}


@pytest.mark.parametrize("end", ENDS)
async def test_body_is_complete_at_its_end_and_the_connection_kept_where_it_may_be(end: str) -> None:
    head, body, is_closed, is_kept = ENDS[end]
    connection, _wire = connect()
    await ask(connection, head)

    for place in range(len(body)):  # wherever the network cuts it
        connection.data_received(body[place : place + 1])
    if is_closed:
        connection.connection_lost(None)

    assert connection.status == 200
    assert await read(connection) == b"text"
    assert connection.is_reusable is is_kept


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (HEAD + chunk(b"te") + b"5\r\nx", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nte", None),
        (b"HTTP/1.1 200 OK\r\n\r\nte", ConnectionResetError()),
    ],
)
async def test_body_that_is_cut_short_is_broken_off_after_what_had_come(
    answer: bytes, error: Exception | None
) -> None:
    connection, _wire = connect()
    await ask(connection, answer)
    connection.connection_lost(error)
    taken: list[bytes] = []

    with pytest.raises(BrokenOff):
        async with asyncio.timeout(BOUND_S):
            await connection.relay(taken.append)

    assert taken[0].startswith(b"te")
    assert not connection.is_reusable


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6 + 1),
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD_BYTES,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD_BYTES // 25 + 1),
    ],
)
async def test_what_is_no_answer_is_broken_off(answer: bytes) -> None:
    connection, wire = connect()

    with pytest.raises(BrokenOff):
        await ask(connection, answer)

    assert wire.is_ended


async def test_request_on_a_connection_that_ends_without_an_answer_is_broken_off() -> None:
    connection, _wire = connect()
    asking = asyncio.create_task(connection.request(b"POST / HTTP/1.1\r\n\r\n", b"{}"))
    await asyncio.sleep(0)

    connection.connection_lost(None)

    with pytest.raises(BrokenOff):
        await asking


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP", b"no HTTP"])
async def test_connection_with_more_than_the_answer_is_not_used_again(more: bytes) -> None:
    connection, _wire = connect()
    await ask(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext")
    assert await read(connection) == b"text"
    assert connection.is_reusable

    connection.data_received(more)

    assert not connection.is_reusable


async def test_second_answer_is_read_like_the_first() -> None:
    connection, wire = connect()
    for _ in range(2):
        await ask(connection)
        connection.data_received(chunk(b"text") + LAST)
        assert await read(connection) == b"text"

    assert wire.written == b"POST / HTTP/1.1\r\n\r\n{}" * 2
    assert connection.is_reusable


async def test_body_is_sent_as_fast_as_the_engine_takes_it() -> None:
    connection, wire = connect()
    given: list[bytes] = []

    async def body() -> AsyncGenerator[bytes]:
        for piece in (b"one", b"two", b"three"):
            given.append(piece)
            yield piece

    connection.pause_writing()
    async with asyncio.timeout(BOUND_S):
        asking = asyncio.create_task(connection.send(b"head ", body()))
        await asyncio.sleep(0)
        given_while_full = list(given)
        connection.resume_writing()
        await asyncio.sleep(0)
        connection.data_received(HEAD)
        await asking

    assert given_while_full == [b"one"]
    assert wire.written == b"head onetwothree"
    assert connection.status == 200


async def test_engine_that_answers_before_it_has_the_body_gets_no_more_of_it() -> None:
    connection, wire = connect()

    async def body() -> AsyncGenerator[bytes]:
        yield b"one"
        connection.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        yield b"two"

    async with asyncio.timeout(BOUND_S):
        await connection.send(b"head ", body())

    assert (connection.status, wire.written) == (413, b"head one")
    assert not connection.is_reusable


async def test_connection_that_is_lost_while_the_body_is_sent_is_broken_off() -> None:
    connection, _wire = connect()

    async def body() -> AsyncGenerator[bytes]:
        yield b"one"
        connection.connection_lost(None)
        yield b"two"

    with pytest.raises(BrokenOff):
        await connection.send(b"head ", body())

"""A reader that takes nothing, as the gateway notices it by itself: here no kernel ends the connection."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import cast

import pytest
from starlette.types import Message

from chat.client import PIECE_BYTES, Client
from chat.engine_admission import EngineAdmission
from chat.generation import ClientLeft, Generation, Timeouts
from chat.registry import Registry
from chat.responses import StreamedAnswer
from chat.slot_queues import RouteRequest
from chat.sse import PING
from chat.upstream import EngineGateway

PATIENT_S = 60.0
BOUND_S = 10.0
"""When a test gives up."""


async def stay() -> Message:
    """A client that neither leaves nor says anything more."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def get_stuck(message: Message) -> None:
    """Takes the head of the answer, and nothing of its body."""
    if message["type"] == "http.response.body":
        await asyncio.Event().wait()


class FakeShortWay:
    has_whole_body = True
    is_free = True

    def __init__(self, write: Callable[[bytes], bool]) -> None:
        self.write = write
        self.on_gone: Callable[[], None] | None = None

    def watch(self, on_gone: Callable[[], None] | None) -> None:
        self.on_gone = on_gone


def stuck_client(timeouts: Timeouts) -> Client:
    return Client(stay, get_stuck, [], is_stream=True, timeouts=timeouts)


def timeouts_of(*, send_s: float, ping_s: float = PATIENT_S) -> Timeouts:
    return Timeouts(first_byte_s=PATIENT_S, idle_s=PATIENT_S, total_s=PATIENT_S, send_s=send_s, ping_s=ping_s)


def generation_with(timeouts: Timeouts) -> Generation:
    """One that never gets to its engine."""
    return Generation(
        admission=cast("EngineAdmission", None),
        request=cast("RouteRequest", None),
        engine=cast("EngineGateway", None),
        make_call=lambda _route: pytest.fail("nobody asked the engine"),
        timeouts=timeouts,
        model="m",
        max_bytes=1,
    )


async def test_reader_that_takes_no_piece_ends_the_answer() -> None:
    timeouts = timeouts_of(send_s=0.05)
    client = stuck_client(timeouts)

    with pytest.raises(ClientLeft):
        async with asyncio.timeout(BOUND_S), client.attended(generation_with(timeouts)):
            await client.deliver(b"data: {}\n\n")
            await stay()

    assert client.has_left


async def test_reader_that_takes_no_ping_ends_the_answer() -> None:
    timeouts = timeouts_of(send_s=0.05, ping_s=0.01)
    client = stuck_client(timeouts)

    with pytest.raises(ClientLeft):
        async with asyncio.timeout(BOUND_S), client.attended(generation_with(timeouts)):
            await stay()

    assert client.has_left


async def test_reader_that_does_not_take_the_end_is_given_up() -> None:
    client = stuck_client(timeouts_of(send_s=0.05))

    async with asyncio.timeout(BOUND_S):
        await client.deliver(b"data: [DONE]\n\n", is_last=True)

    assert client.has_left


async def test_reader_that_does_not_take_a_whole_answer_is_given_up() -> None:
    client = stuck_client(timeouts_of(send_s=0.05))

    async with asyncio.timeout(BOUND_S):
        await client.answer(b"{}")

    assert client.has_started


async def test_whole_answer_is_sent_in_pieces_which_a_stuck_reader_stops() -> None:
    body = b"x" * (3 * PIECE_BYTES + 1)
    taken: list[Message] = []

    async def take_two(message: Message) -> None:
        taken.append(message)
        if len(taken) > 3:
            await asyncio.Event().wait()

    async def take(message: Message) -> None:
        whole.append(message)

    whole: list[Message] = []
    timeouts = timeouts_of(send_s=0.05)

    async with asyncio.timeout(BOUND_S):
        await Client(stay, take, [], is_stream=False, timeouts=timeouts).answer(body)
        await Client(stay, take_two, [], is_stream=False, timeouts=timeouts).answer(body)

    assert b"".join(message["body"] for message in whole[1:]) == body
    assert [message["more_body"] for message in whole[1:]] == [True, True, True, False]
    assert len(taken) == 4


async def test_piece_takes_the_short_way_once_the_answer_has_begun_and_its_reader_keeps_up() -> None:
    sent: list[Message] = []
    written: list[bytes] = []
    keeps_up = True

    async def send(message: Message) -> None:
        sent.append(message)

    def write_now(data: bytes) -> bool:
        if keeps_up:
            written.append(data)
        return keeps_up

    timeouts = timeouts_of(send_s=PATIENT_S)
    client = Client(stay, send, [], is_stream=True, timeouts=timeouts, short_way=FakeShortWay(write_now))
    first = client.pass_on(b"1")
    assert first is not None
    await first
    assert client.pass_on(b"2") is None
    keeps_up = False
    third = client.pass_on(b"3")
    assert third is not None
    await third

    assert [message.get("body") for message in sent] == [None, b"1", b"3"]
    assert written == [b"2"]


async def test_client_that_the_server_saw_leave_ends_the_answer() -> None:
    timeouts = timeouts_of(send_s=PATIENT_S)
    short_way = FakeShortWay(lambda _data: True)
    client = Client(stay, get_stuck, [], is_stream=True, timeouts=timeouts, short_way=short_way)

    with pytest.raises(ClientLeft):
        async with asyncio.timeout(BOUND_S), client.attended(generation_with(timeouts)):
            assert short_way.on_gone is not None
            short_way.on_gone()
            await stay()

    assert client.has_left
    assert short_way.on_gone is None


async def test_silence_is_filled_with_pings_by_the_short_way() -> None:
    timeouts = timeouts_of(send_s=PATIENT_S, ping_s=0.01)
    pings: asyncio.Queue[bytes] = asyncio.Queue()

    def write_now(data: bytes) -> bool:
        pings.put_nowait(data)
        return True

    async def send(_message: Message) -> None:
        pass

    client = Client(stay, send, [], is_stream=True, timeouts=timeouts, short_way=FakeShortWay(write_now))
    async with asyncio.timeout(BOUND_S), client.attended(generation_with(timeouts)):
        await client.deliver(b"data: {}\n\n")
        written = [await pings.get(), await pings.get()]

    assert written == [PING, PING]


class EndlessAnswer(StreamedAnswer):
    """One that waits for its engine for ever."""

    async def produce(self, client: Client) -> None:
        await asyncio.Event().wait()


async def test_answer_whose_reader_left_is_freed_without_the_garbage_collector() -> None:
    """Its buffers would wait for a collection, and there is one in minutes."""

    async def leave() -> Message:
        return {"type": "http.disconnect"}

    answer = EndlessAnswer(generation_with(timeouts_of(send_s=PATIENT_S)), headers=[], registry=Registry())
    still_there = weakref.ref(answer)
    gc.disable()
    try:
        async with asyncio.timeout(BOUND_S):
            await answer({"type": "http", "gateway.log": {}}, leave, get_stuck)
            assert isinstance(answer.ended_by, ClientLeft)
            del answer
            for _ in range(5):
                await asyncio.sleep(0)  # the task that waited for the client ends

        assert still_there() is None
    finally:
        gc.enable()

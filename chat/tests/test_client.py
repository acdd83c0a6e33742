"""A reader that takes nothing, as the gateway notices it by itself: here no kernel ends the connection."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from starlette.types import Message

from chat.client import Client
from chat.engine_admission import EngineAdmission, RouteRequest
from chat.generation import ClientLeft, Generation, Timeouts
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

"""The short way for a streamed answer, at the server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.server_protocol import DirectAnswer


class Cycle(SimpleNamespace):
    """An answer that is being streamed, as uvicorn keeps it."""

    def __init__(self) -> None:
        written: list[bytes] = []
        super().__init__(
            written=written,
            flow=SimpleNamespace(write_paused=False),
            transport=SimpleNamespace(write=written.append),
            disconnected=False,
            chunked_encoding=True,
            response_started=True,
            response_complete=False,
        )


def direct_answer(cycle: Any) -> DirectAnswer:
    return DirectAnswer(cast("RequestResponseCycle", cycle))


def test_piece_is_written_as_a_chunk() -> None:
    cycle = Cycle()

    assert direct_answer(cycle).write(b"data: twelve bytes and more\n\n")

    assert cycle.written == [b"1d\r\ndata: twelve bytes and more\n\n\r\n"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flow", SimpleNamespace(write_paused=True)),
        ("disconnected", True),
        ("chunked_encoding", None),
        ("chunked_encoding", False),
        ("response_started", False),
        ("response_complete", True),
    ],
)
def test_nothing_is_written_where_the_long_way_has_to_decide(name: str, value: object) -> None:
    cycle = Cycle()
    setattr(cycle, name, value)

    assert not direct_answer(cycle).write(b"data")

    assert cycle.written == []


def test_empty_piece_does_not_end_the_body() -> None:
    cycle = Cycle()

    assert not direct_answer(cycle).write(b"")

    assert cycle.written == []


def test_answer_is_not_kept_by_its_short_way() -> None:
    body = direct_answer(Cycle())

    assert not body.write(b"data")


async def test_loss_of_the_connection_is_told_once() -> None:
    told: list[str] = []
    cycle = Cycle()
    answer = direct_answer(cycle)
    answer.watch(lambda: told.append("gone"))

    answer.note_gone()
    answer.note_gone()

    assert told == ["gone"]


async def test_nothing_is_told_to_who_does_not_watch_any_more() -> None:
    told: list[str] = []
    cycle = Cycle()
    answer = direct_answer(cycle)
    answer.watch(lambda: told.append("gone"))
    answer.watch(None)

    answer.note_gone()

    assert told == []


async def test_client_that_was_gone_before_is_told_at_once() -> None:
    gone = asyncio.Event()
    cycle = Cycle()
    cycle.disconnected = True

    direct_answer(cycle).watch(gone.set)

    async with asyncio.timeout(10):
        await gone.wait()

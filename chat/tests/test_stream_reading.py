"""What a client gets of the engine's events, read without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.sse import join_events
from chat.stream_reading import StreamEnded, StreamReader
from chat.transcript import Transcript


def event(index: int, text: str, finish_reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], **more}).encode()


def usage(**more: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c", "choices": [], "usage": {"prompt_tokens": 1}, **more}).encode()


DONE = b"data: [DONE]"


def read(*events: bytes, keep_usage: bool = False) -> list[bytes]:
    """What the client gets, event by event, each as one read of the engine's."""
    reader = StreamReader(Transcript(), keep_usage=keep_usage)
    reads = [reader.read(join_events([each])) for each in events]
    assert reads[-1].ending is StreamEnded
    return [kept for each in reads for kept in each.kept]


def test_fingerprint_of_the_usage_event_is_on_the_last_event_of_each_choice() -> None:
    told = read(
        *(event(0, "a"), event(1, "b"), event(0, "c", "stop"), event(1, "d"), event(1, "e", "length")),
        *(usage(system_fingerprint="vllm-1"), DONE),
    )

    stamped = {"system_fingerprint": "vllm-1"}
    assert told[:3] == [event(0, "a"), event(1, "b"), event(1, "d")]
    assert [json.loads(each[6:]) for each in told[3:]] == [
        json.loads(event(0, "c", "stop", **stamped)[6:]),
        json.loads(event(1, "e", "length", **stamped)[6:]),
    ]


@pytest.mark.parametrize(
    "last",
    [[usage()], [usage(system_fingerprint=None)], []],
    ids=["usage without one", "usage with null", "no usage"],
)
def test_without_a_fingerprint_the_last_event_is_unchanged(last: list[bytes]) -> None:
    assert read(event(0, "a"), event(0, "b", "stop"), *last, DONE) == [event(0, "a"), event(0, "b", "stop")]


def test_what_follows_the_last_event_of_a_choice_stays_behind_it() -> None:
    events = [event(0, "a", "stop"), event(0, ""), event(0, "b")]

    assert read(*events, DONE) == events


def test_event_that_has_its_fingerprint_is_not_held() -> None:
    reader = StreamReader(Transcript(), keep_usage=False)
    last = event(0, "a", "stop", system_fingerprint="own")

    assert reader.read(join_events([last])).kept == [last]


def test_client_that_asked_for_usage_gets_all_events_at_once_and_unchanged() -> None:
    events = [event(0, "a", "stop"), usage(system_fingerprint="vllm-1")]

    assert read(*events, DONE, keep_usage=True) == events


@pytest.mark.parametrize("end", [b'data: {"error": {"message": "no", "code": 500}}', b""])
def test_last_event_is_not_lost_where_the_engine_fails_after_it(end: bytes) -> None:
    reader = StreamReader(Transcript(), keep_usage=False)
    reader.read(join_events([event(0, "a", "stop")]))

    told = reader.read(join_events([end])) if end else reader.finish()

    assert told.kept == [event(0, "a", "stop")]

"""Cutting a stream of bytes into events, wherever the network cut it."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.sse import DONE, PING, EventSplitter, data_event, error_event, join_events, payload_of
from gateway.errors import UpstreamTimeout

LINES = st.one_of(
    st.just(b": ping"),
    st.just(b"data: [DONE]"),
    st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(
        lambda text: b"data: " + json.dumps({"text": text}, ensure_ascii=False).encode()
    ),
)
ENDS = st.sampled_from([b"\n", b"\r\n"])
EVENTS = st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, cut at these places (taken modulo its length)."""
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def split(pieces: list[bytes]) -> list[bytes]:
    splitter = EventSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)]


@settings(deadline=None)
@given(events=EVENTS, end=ENDS, places=st.lists(st.integers(min_value=0), max_size=10))
def test_any_cutting_gives_the_same_events(events: list[list[bytes]], end: bytes, places: list[int]) -> None:
    stream = b"".join(end.join(lines) + end + end for lines in events)

    assert split(cut(stream, places)) == [b"\n".join(lines) for lines in events]


@settings(deadline=None)
@given(events=EVENTS, end=ENDS)
def test_stream_can_arrive_byte_by_byte(events: list[list[bytes]], end: bytes) -> None:
    stream = b"".join(end.join(lines) + end + end for lines in events)

    assert split([bytes([byte]) for byte in stream]) == [b"\n".join(lines) for lines in events]


@settings(deadline=None)
@given(
    stream=st.lists(st.sampled_from([b"a", b"\r", b"\n"]), max_size=12).map(b"".join),
    places=st.lists(st.integers(min_value=0), max_size=4),
)
@example(stream=b"a\r\r\n\n", places=[4])
def test_cutting_makes_no_difference_to_any_bytes_at_all(stream: bytes, places: list[int]) -> None:
    assert split(cut(stream, places)) == split([stream])


@settings(deadline=None)
@given(events=st.lists(st.lists(LINES, min_size=1, max_size=3).map(b"\n".join)))
def test_joined_events_split_into_themselves(events: list[bytes]) -> None:
    assert split([join_events(events)]) == events


def test_event_without_its_blank_line_is_not_handed_out() -> None:
    splitter = EventSplitter()

    assert splitter.feed(b"data: 1\n") == []
    assert splitter.feed(b"\ndata: 2\n\ndata: ") == [b"data: 1", b"data: 2"]
    assert splitter.feed(b"3\n\n") == [b"data: 3"]


def test_no_events_are_no_bytes() -> None:
    assert join_events([]) == b""


def test_payload_is_the_data_of_an_event() -> None:
    events = {
        b"data: {}": b"{}",
        b"data:{}": b"{}",
        b"data:  {}": b" {}",
        b"event: delta\nid: 7\ndata: {}": b"{}",
        b"data: one\ndata: two": b"one\ntwo",
        b"data: [DONE]": b"[DONE]",
        b": ping": b"",
        b"": b"",
        b"event: done": b"",
    }

    assert {event: payload_of(event) for event in events} == events


def test_own_events_are_read_back_as_they_were_meant() -> None:
    ping, data, error, done = split(
        [PING, data_event({"text": "한\n글"}), error_event(UpstreamTimeout("Slow.")), DONE]
    )

    assert payload_of(ping) == b""
    assert json.loads(payload_of(data)) == {"text": "한\n글"}
    assert json.loads(payload_of(error)) == {
        "error": {"message": "Slow.", "type": "upstream_error", "param": None, "code": "upstream_timeout"}
    }
    assert payload_of(done) == b"[DONE]"

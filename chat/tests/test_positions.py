"""Positions in an answer: written as ids of events, read back, and what follows them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.positions import (
    LENGTHS,
    PIECE_CHARS,
    START,
    AnswerText,
    EventIds,
    Position,
    end_of,
    id_line,
    read_event_id,
    rest_of,
    split_rest,
    tag_of,
)
from chat.stream_reading import StreamReader
from chat.transcript import Transcript, decode_chunk
from gateway.errors import InvalidRequest

MESSAGE = uuid.UUID(int=7)
TAG = tag_of(MESSAGE, "request")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
deltas = st.one_of(
    st.fixed_dictionaries({"content": texts}),
    st.fixed_dictionaries({"reasoning": texts}),
    st.fixed_dictionaries({"content": texts, "reasoning": texts}),
    st.builds(
        lambda index, name, arguments: {
            "tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}}]
        },
        st.integers(0, 2),
        texts,
        texts,
    ),
)


def event(delta: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


def fold(*given_deltas: dict[str, Any]) -> Transcript:
    transcript = Transcript()
    for delta in given_deltas:
        transcript.add(decode_chunk(json.dumps({"choices": [{"index": 0, "delta": delta}]})))
    return transcript


def ids_of(transcript: Transcript, *given_deltas: dict[str, Any]) -> list[str]:
    """The ids of the events in which an engine sends these."""
    reader = StreamReader(transcript, keep_usage=True, ids=EventIds(TAG, transcript))
    kept = reader.read(b"".join(map(event, given_deltas))).kept
    return [each.partition(b"\n")[0].removeprefix(b"id: ").decode() for each in kept]


def in_order(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The deltas without those that begin a call before an earlier one of the answer."""
    kept, begun = [], 0
    for delta in calls:
        index = delta["tool_calls"][0]["index"] if "tool_calls" in delta else 0
        if index <= begun or "tool_calls" not in delta:
            kept.append(delta)
            begun = max(begun, index + ("tool_calls" in delta))
    return kept


@given(st.lists(deltas, max_size=12).map(in_order))
def test_what_was_sent_and_what_follows_are_the_whole_from_any_event(
    given_deltas: list[dict[str, Any]],
) -> None:
    whole = AnswerText.of(fold(*given_deltas))
    ids = ids_of(Transcript(), *given_deltas)

    for number, event_id in enumerate(ids, start=1):
        position = read_event_id(event_id, TAG)
        assert position is not None
        assert not position.exceeds(whole)
        rest = rest_of(whole, position)
        joined = AnswerText.of(fold(*given_deltas[:number], rest))
        assert (joined.content, joined.reasoning) == (whole.content, whole.reasoning)
        assert list(joined.tool_calls) == list(whole.tool_calls)


@given(
    st.builds(
        Position,
        st.integers(0, 10**9 - 1),
        st.integers(0, 10**9 - 1),
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 10**6)), max_size=4).map(tuple),
    )
)
def test_id_is_read_as_it_was_written(position: Position) -> None:
    written = id_line(TAG, position).decode().removeprefix("id: ").removesuffix("\n")

    assert read_event_id(written, TAG) == position


def test_no_header_is_no_position() -> None:
    assert read_event_id(None, TAG) is None


@pytest.mark.parametrize(
    "value", ["", "7", "0.7", f"{TAG}.0", f"{TAG}.0.7\n", f"{TAG}.0.7.", f"{TAG}.0.1e3", f"{TAG}.0.{10**9}"]
)
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_event_id(value, TAG)

    assert refused.value.param == "Last-Event-ID"


def test_tag_tells_answers_and_the_requests_that_generate_one_apart() -> None:
    tags = {tag_of(MESSAGE, "request"), tag_of(MESSAGE, "another"), tag_of(uuid.UUID(int=8), "request")}

    assert len(tags) == 3


def test_ids_count_from_the_text_of_an_answer_that_goes_on() -> None:
    ids = ids_of(Transcript("하나", "생각"), {"content": "!"})

    assert ids == [f"{TAG}.2.3"]


def test_ids_of_long_answers_are_as_exact() -> None:
    whole = "x" * (len(LENGTHS) - 1)

    ids = ids_of(Transcript(), {"content": whole}, {"content": "y"}, {"content": "z"})

    assert ids == [f"{TAG}.0.{len(whole) + added}" for added in range(3)]


def test_of_two_positions_the_later_one_keeps_all_that_was_sent() -> None:
    one, other = Position(5, 1, ((2, 3),)), Position(4, 2, ((2, 1), (1, 1)))

    assert one.later(other) == Position(5, 2, ((2, 3), (1, 1)))


def test_long_rest_comes_in_pieces_with_the_position_after_each() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "1"}}
    said = AnswerText("가" * (PIECE_CHARS + 1), "나" * PIECE_CHARS, [call])

    pieces = list(split_rest(said, Position(content=3)))

    assert [set(delta) for delta, _after in pieces] == [{"reasoning"}, {"content"}, {"tool_calls"}]
    assert pieces[-1][1] == end_of(said)
    for number, (_delta, after) in enumerate(pieces, start=1):
        assert [delta for delta, _after in pieces[number:]] == [delta for delta, _ in split_rest(said, after)]


@pytest.mark.parametrize(
    "position",
    [Position(1, 0), Position(0, 4), Position(0, 0, ((1, 1), (0, 0))), Position(0, 0, ((2, 0),))],
    ids=["reasoning", "content", "calls", "name"],
)
def test_position_beyond_the_end_is_told(position: Position) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "1"}}
    said = AnswerText("abc", "", [call])

    assert position.exceeds(said)
    assert not end_of(said).exceeds(said)
    assert not START.exceeds(said)

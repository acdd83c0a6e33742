"""Folding the engine's pieces into one answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.transcript import Transcript, decode_chunk


def transcript_of(*chunks: dict[str, Any]) -> Transcript:
    transcript = Transcript()
    for chunk in chunks:
        transcript.add(decode_chunk(json.dumps(chunk).encode()))
    return transcript


def delta(index: int = 0, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish_reason}]}


def call(index: int = 0, **fields: Any) -> dict[str, Any]:
    return delta(tool_calls=[{"index": index} | fields])


def test_empty_transcript_says_nothing() -> None:
    transcript = Transcript()

    assert (transcript.content, transcript.reasoning, transcript.tool_calls) == ("", "", None)
    assert (transcript.finish_reason, transcript.usage, transcript.pieces) == ("", None, 0)


def test_answer_of_an_engine_is_folded_together() -> None:
    transcript = transcript_of(
        {"id": "chatcmpl-1"} | delta(role="assistant", content=""),
        {"id": "chatcmpl-1"} | delta(content="안녕"),
        {"id": "chatcmpl-1"} | delta(content=" 👋"),
        {"id": "chatcmpl-1"} | delta(finish_reason="stop", content=""),
        {"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}},
    )

    assert (transcript.id, transcript.content, transcript.finish_reason) == ("chatcmpl-1", "안녕 👋", "stop")
    assert transcript.usage is not None
    assert (transcript.usage.prompt_tokens, transcript.usage.completion_tokens) == (5, 3)
    assert transcript.pieces == 2


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart_under_either_of_its_names(name: str) -> None:
    first, second = ({"choices": [{"delta": {name: text}}]} for text in ("Let me ", "think."))

    transcript = transcript_of(first, second, delta(content="42"))

    assert (transcript.reasoning, transcript.content, transcript.pieces) == ("Let me think.", "42", 3)


def test_text_of_the_older_api_is_folded_too() -> None:
    transcript = transcript_of(
        {"choices": [{"index": 0, "text": "Once "}]},
        {"choices": [{"index": 0, "text": "upon", "finish_reason": "length"}]},
    )

    assert (transcript.content, transcript.finish_reason, transcript.pieces) == ("Once upon", "length", 2)


def test_tool_calls_are_put_together_from_their_pieces() -> None:
    transcript = transcript_of(
        call(0, id="call-a", type="function", function={"name": "weather", "arguments": ""}),
        call(0, function={"arguments": '{"city": '}),
        call(1, id="call-b", type="function", function={"name": "time", "arguments": "{}"}),
        call(0, function={"arguments": '"Seoul"}'}),
        delta(finish_reason="tool_calls"),
    )

    assert transcript.tool_calls == [
        {
            "id": "call-a",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Seoul"}'},
        },
        {"id": "call-b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]
    assert (transcript.finish_reason, transcript.pieces) == ("tool_calls", 4)


def test_tool_calls_are_in_the_order_of_their_index() -> None:
    transcript = transcript_of(
        call(1, id="second", function={"name": "b"}), call(0, id="first", function={"name": "a"})
    )

    assert [c["id"] for c in transcript.tool_calls or []] == ["first", "second"]


def test_tool_call_without_function_or_index_does_no_harm() -> None:
    transcript = transcript_of(delta(tool_calls=[{"id": "only"}]), delta(tool_calls=[{"function": None}]))

    assert transcript.tool_calls == [
        {"id": "only", "type": "function", "function": {"name": "", "arguments": ""}}
    ]


def test_only_the_first_choice_is_kept_as_text_and_all_are_counted() -> None:
    transcript = transcript_of(
        delta(0, content="left"), delta(1, content="right"), delta(1, finish_reason="length", content="!")
    )

    assert (transcript.content, transcript.pieces, transcript.finish_reason) == ("left", 3, "")


def test_pieces_of_other_choices_that_carry_nothing_are_not_counted() -> None:
    transcript = transcript_of(
        delta(0, role="assistant", content=""),
        delta(1, role="assistant", content=""),
        delta(0, content="left"),
        delta(1, content="right"),
        delta(0, finish_reason="stop"),
        delta(1, finish_reason="stop"),
    )

    assert transcript.pieces == 2


def test_content_can_be_read_on_the_way() -> None:
    transcript = transcript_of(delta(content="a"), delta(content="b"))
    seen = [transcript.content]

    transcript.add(decode_chunk(b'{"choices":[{"delta":{"content":"c"}}]}'))

    assert [*seen, transcript.content, transcript.content] == ["ab", "abc", "abc"]


def test_fields_of_newer_engines_are_no_hindrance() -> None:
    transcript = transcript_of(
        {
            "object": "chat.completion.chunk",
            "system_fingerprint": None,
            "choices": [
                {"index": 0, "delta": {"content": "x", "audio": {}}, "logprobs": None, "token_ids": [1]}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": None},
        }
    )

    assert transcript.content == "x"


@pytest.mark.parametrize(
    "payload", [b"", b"[DONE]", b"{", b'{"choices": "none"}', b'{"choices": [{"delta": {"content": 5}}]}']
)
def test_piece_that_is_no_chunk_is_an_error_of_msgspec(payload: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_chunk(payload)


@settings(deadline=None)
@given(
    pieces=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]))),
    reads=st.sets(st.integers(0, 9)),
)
def test_text_is_the_same_whenever_it_is_read(pieces: list[str], reads: set[int]) -> None:
    transcript = Transcript()

    for number, piece in enumerate(pieces):
        transcript.add(decode_chunk(msgspec.json.encode(delta(content=piece))))
        if number in reads:
            assert transcript.content == "".join(pieces[: number + 1])

    assert transcript.content == "".join(pieces)

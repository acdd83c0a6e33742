"""Odd values in the answers of servers that speak OpenAI's protocol in their own way."""

from __future__ import annotations

import json

import httpx
import pytest

from chat.tests.odd_engines import (
    BODIES,
    DONE,
    END,
    PATHS,
    completion,
    event,
    newest_answer,
    plain,
    stream,
    texts,
)
from chat.tests.scripted_engine import ScriptedEngine, delta_event
from gateway.tests.live import GatewayProcess

# What the engine sends before its end, and the text that is stored.
GO_ON = {
    "content that is a number": (texts(b"12"), "12"),
    "content that is a list of parts": (texts(b'[{"type":"text","text":"a"},"b",{"type":"image"}]'), "ab"),
    "a character cut over two chunks": (texts(rb'"a\ud83d"') + texts(rb'"\ude00b"'), "a\U0001f600b"),
    "half a character": (texts(rb'"a\ud83d"') + texts(b'"b"'), "a\ufffdb"),
    "bytes that are no UTF-8": (texts(b'"a\xffb"'), "a\ufffdb"),
    "choices that are null": (b'data: {"id":"c","choices":null}\n\n' + delta_event("a"), "a"),
    "an id that is null": (b'data: {"id":null,"choices":[]}\n\n' + delta_event("a"), "a"),
    "an id that is a number": (b'data: {"id":7,"choices":[]}\n\n' + delta_event("a"), "a"),
    "usage beside null": (
        delta_event("a") + b'data: {"choices":null,"usage":{"prompt_tokens":1,"completion_tokens":2.0}}\n\n',
        "a",
    ),
    "usage that is none": (delta_event("a") + b'data: {"choices":[],"usage":"much"}\n\n', "a"),
    "an index that is text": (
        b'data: {"choices":[{"index":"0","delta":{"content":"a"},"finish_reason":null}]}\n\n',
        "a",
    ),
    "a choice that is null": (b'data: {"choices":[null]}\n\n' + delta_event("a"), "a"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", GO_ON)
def test_odd_values_do_not_cost_the_answer(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str
) -> None:
    sent, text = GO_ON[kind]
    scripted_engine.reply(sent + delta_event("!") + END)

    reply = stream(odd_client, path)

    assert reply.is_done
    assert reply.errors == []
    assert len(reply.events) >= 2
    if path == "/api/chat":
        stored = newest_answer(odd_client)
        assert (stored["status"], stored["content"]) == ("complete", text + "!")
        assert plain(odd_client, path).json()["message"]["content"] == text + "!"


def test_odd_bytes_reach_the_client_unchanged(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    odd = texts(rb'"a\ud83d"') + texts(b'"\xff"') + texts(b"[1]")
    scripted_engine.reply(odd + END)

    answer = odd_client.post(PATHS[1], json={**BODIES[PATHS[1]], "stream": True})

    assert answer.content == odd + END


ODD_CALLS = {
    "arguments that are an object": (
        b'{"index":0,"id":"c1","function":{"name":"f","arguments":{"city":"Seoul"}}}',
        ("c1", "f", '{"city": "Seoul"}'),
    ),
    "arguments that are a number": (
        b'{"index":0,"id":"c1","function":{"name":"f","arguments":5}}',
        ("c1", "f", "5"),
    ),
    "an index that is a number with a point": (b'{"index":0.5,"id":"c1"}', ("c1", "", "")),
    "an index that is null": (
        b'{"index":null,"id":"c1","function":{"name":"f","arguments":"{}"}}',
        ("c1", "f", "{}"),
    ),
    "a function that is null": (b'{"index":0,"id":"c1","function":null}', ("c1", "", "")),
    "a function that is text": (b'{"index":0,"id":"c1","function":"f"}', ("c1", "", "")),
    "an id that is a number": (b'{"index":0,"id":7,"function":{"name":"f"}}', ("7", "f", "")),
    "a name that is a list": (b'{"index":0,"id":"c1","function":{"name":["f"]}}', ("c1", '["f"]', "")),
    "a call that is null": (b'null,{"index":0,"id":"c1"}', ("c1", "", "")),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ODD_CALLS)
def test_odd_tool_calls_pass_and_are_stored_as_text(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str
) -> None:
    sent, (call_id, name, arguments) = ODD_CALLS[kind]
    odd = event(b'{"tool_calls":[' + sent + b"]}")
    scripted_engine.reply(odd + delta_event(finish_reason="tool_calls") + DONE)

    reply = stream(odd_client, path)

    assert (reply.errors, reply.is_done) == ([], True)
    assert reply.events[0]["choices"] == json.loads(odd[6:])["choices"]
    if path == "/api/chat":
        function = {"name": name, "arguments": arguments}
        expected = [{"id": call_id, "type": "function", "function": function}]
        assert newest_answer(odd_client)["tool_calls"] == expected
        assert plain(odd_client, path).json()["message"]["tool_calls"] == expected


@pytest.mark.parametrize("path", PATHS)
def test_calls_without_an_index_are_told_apart_by_their_ids(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, path: str
) -> None:
    pieces = [b'{"id":"a","function":{"name":"f","arguments":"{"}}', b'{"function":{"arguments":"}"}}']
    pieces.append(b'{"id":"b","function":{"name":"g","arguments":"{}"}}')
    scripted_engine.reply(b"".join(event(b'{"tool_calls":[' + piece + b"]}") for piece in pieces) + END)

    reply = stream(odd_client, path)

    assert reply.errors == []
    if path == "/api/chat":
        calls = newest_answer(odd_client)["tool_calls"]
        assert [(c["id"], c["function"]["arguments"]) for c in calls] == [("a", "{}"), ("b", "{}")]


@pytest.mark.parametrize("path", PATHS)
def test_refusal_of_the_model_is_the_answers_text_with_a_mark(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, path: str
) -> None:
    scripted_engine.reply(event(b'{"refusal":"I "}') + event(b'{"refusal":"will not."}') + END)

    reply = stream(odd_client, path)

    assert [e["choices"][0]["delta"].get("refusal") for e in reply.events] == ["I ", "will not.", None]
    if path == "/api/chat":
        stored = newest_answer(odd_client)
        assert (stored["status"], stored["content"], stored["finish_reason"]) == (
            "complete",
            "I will not.",
            "refusal",
        )
        answer = plain(odd_client, path).json()
        assert (answer["message"]["content"], answer["message"]["refusal"]) == ("I will not.",) * 2
        assert answer["finish_reason"] == "refusal"


@pytest.mark.parametrize("path", PATHS)
def test_constants_that_are_no_json_become_null(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, path: str
) -> None:
    odd = b',"logprobs":{"content":[{"token":"NaN","logprob":-Infinity,"x":[NaN,Infinity]}]}'
    clean = {"content": [{"token": "NaN", "logprob": None, "x": [None, None]}]}
    scripted_engine.reply(event(b'{"content":"NaN \\"Infinity"}', odd) + END)

    reply = stream(odd_client, path)

    assert reply.events[0]["choices"][0]["logprobs"] == clean
    assert (reply.text, reply.is_done) == ('NaN "Infinity', True)
    if path == "/api/chat":
        assert newest_answer(odd_client)["content"] == 'NaN "Infinity'
        assert plain(odd_client, path).json()["message"]["content"] == 'NaN "Infinity'
    else:
        scripted_engine.reply(completion(more=odd), content_type="application/json")
        assert plain(odd_client, path).json()["choices"][0]["logprobs"] == clean


def test_no_odd_answer_is_a_fault_of_the_gateway(odd_gateway: GatewayProcess) -> None:
    log = odd_gateway.log()

    assert "Traceback" not in log
    assert "generation_failed" not in log

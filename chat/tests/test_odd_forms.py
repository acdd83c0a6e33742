"""Answers in odd forms: of events, compressed, or a JSON document in place of a stream."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from chat.tests.odd_engines import (
    BODIES,
    END,
    PATHS,
    completion,
    newest_answer,
    plain,
    stream,
)
from chat.tests.scripted_engine import ScriptedEngine, delta_event
from chat.tests.streams import error_of, read_stream
from gateway.tests.live import GatewayProcess

FORMS = {
    "no space": b'data:{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    "many blanks": b'data:   { "id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    "other lines": b'id: 1\nretry: 5\nevent: x\ndata: {"choices":[{"delta":{"content":"a"}}]}\ny: z\n\n',
    "a comment first": b": hello\n\n: again\ndata: " + delta_event("a")[6:],
    "lines of data": b'data: {\ndata: "choices":[{"delta":{"content":"a"}}]}\n\n',
    "blank lines first": b"\n\n\n" + delta_event("a"),
    "an empty object first": b"data: {}\n\n" + delta_event("a"),
    "a byte order mark": b"\xef\xbb\xbf" + delta_event("a"),
    "CR": delta_event("a").replace(b"\n", b"\r"),
    "CRLF": delta_event("a").replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("kind", FORMS)
def test_ids_are_in_the_first_event_whatever_its_form(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str
) -> None:
    end = END.replace(b"\n", b"\r") if kind == "CR" else END
    scripted_engine.reply(FORMS[kind] + end)

    answer = odd_client.post("/api/chat", json={"content": "x", "stream": True})

    events = [payload for payload in map(data_of, answer.text.split("\n\n")) if payload[:1] == "{"]
    first = json.loads(events[0])
    assert answer.headers["x-message-id"] == first["message_id"]
    assert answer.headers["x-conversation-id"] == first["conversation_id"]
    stored = newest_answer(odd_client)
    assert (stored["status"], stored["content"]) == ("complete", "a")
    assert plain(odd_client, "/api/chat").json()["message"]["content"] == "a"


@pytest.mark.parametrize("kind", FORMS)
def test_every_form_of_an_event_passes_on_v1(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str
) -> None:
    scripted_engine.reply(FORMS[kind] + (END.replace(b"\n", b"\r") if kind == "CR" else END))

    answer = odd_client.post(PATHS[1], json={**BODIES[PATHS[1]], "stream": True})

    events = [payload for payload in map(data_of, answer.text.split("\n\n")) if payload[:1] == "{"]
    said = [c["delta"].get("content") for e in map(json.loads, events) for c in e["choices"]]
    assert said[0] == "a"
    assert answer.text.endswith("data: [DONE]\n\n")


def data_of(event: str) -> str:
    """The event's data, read as the standard has it."""
    lines = [line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:")]
    return "\n".join(lines).strip()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_answer_is_decoded(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, path: str, encoding: str, compress: Any
) -> None:
    scripted_engine.reply(compress(delta_event("a") + END), content_encoding=encoding)
    streamed = stream(odd_client, path)
    if path != "/api/chat":
        scripted_engine.reply(
            compress(completion()), content_type="application/json", content_encoding=encoding
        )

    whole = plain(odd_client, path)

    assert (streamed.text, streamed.is_done) == ("a", True)
    assert whole.status_code == 200
    assert "content-encoding" not in whole.headers
    assert whole.content == completion() if path != "/api/chat" else whole.json()["message"]["content"] == "a"
    assert scripted_engine.received_headers[-1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("path", PATHS)
def test_compressed_refusal_keeps_its_message(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, path: str
) -> None:
    body = gzip.compress(b'{"error":{"message":"Too hot.","code":400}}')
    scripted_engine.reply(body, status=400, content_type="application/json", content_encoding="gzip")

    answer = plain(odd_client, path)

    assert (answer.status_code, error_of(answer)["message"]) == (400, "Too hot.")


DOCUMENTS = {
    "plain": completion(),
    "indented": json.dumps(json.loads(completion()), indent=2).encode(),
    "after blanks and a mark": b"\xef\xbb\xbf\r\n \n" + completion(),
    "with constants": completion(more=b',"logprobs":{"x":[-Infinity,NaN]}'),
}


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_json_completion_in_answer_to_a_stream_is_turned_into_one(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str, content_type: str
) -> None:
    scripted_engine.reply(DOCUMENTS[kind], content_type=content_type)

    reply = (
        read_stream(odd_client, path, {**BODIES[path], "stream_options": {"include_usage": True}})
        if (path != "/api/chat")
        else stream(odd_client, path)
    )

    assert (reply.is_done, reply.errors, reply.text) == (True, [], "fine")
    chunk, usage = reply.events
    assert (chunk["object"], chunk["choices"][0]["finish_reason"]) == ("chat.completion.chunk", "stop")
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 2)
    if path == "/api/chat":
        stored = newest_answer(odd_client)
        assert (stored["status"], stored["content"], stored["usage_source"]) == ("complete", "fine", "engine")
        assert plain(odd_client, path).json()["message"]["content"] == "fine"


def test_tool_calls_of_a_json_completion_get_the_index_that_streams_have(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    call = b'{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}'
    scripted_engine.reply(completion(b'{"role":"assistant","content":null,"tool_calls":[' + call + b"]}"))

    reply = stream(odd_client, PATHS[1])

    assert reply.events[0]["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **json.loads(call)}]


def test_plain_completion_is_passed_on_byte_for_byte(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    odd = completion(rb'{"role":"assistant","content":"\ud83d","tool_calls":[{"function":{"arguments":{}}}]}')
    scripted_engine.reply(odd, content_type="application/json")

    assert plain(odd_client, PATHS[1]).content == odd


def test_no_odd_answer_is_a_fault_of_the_gateway(odd_gateway: GatewayProcess) -> None:
    log = odd_gateway.log()

    assert "Traceback" not in log
    assert "generation_failed" not in log

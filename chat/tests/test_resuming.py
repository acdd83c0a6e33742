"""GET …/messages/{id}/stream for answers that have ended: the rest of each, and how it ended."""

from __future__ import annotations

import copy
import json
import uuid
from typing import Any

import httpx
import pytest

from chat.tests.returning_client import Seen, come_back, id_headers, stream_path
from chat.tests.scripted_engine import ScriptedEngine, delta_event, usage_event
from chat.tests.streams import error_of
from conversations.models import REFUSAL
from gateway.tests.live import GatewayProcess

DONE = b"data: [DONE]\n\n"


def piece(**delta: Any) -> bytes:
    chunk = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def call_piece(index: int, **call: Any) -> bytes:
    return piece(tool_calls=[{"index": index, **call}])


END = (
    delta_event(finish_reason="stop")
    + usage_event(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    + DONE
)
ANSWERS = {
    "text": piece(role="assistant", content="") + piece(content="Hello") + piece(content=", world") + END,
    "korean": piece(content="안녕") + piece(content="하세요 😀") + piece(content="한글") + END,
    "reasoning": piece(reasoning="I 생각") + piece(reasoning=" so") + piece(content="하나") + END,
    "both in turn": piece(reasoning="a") + piece(content="b") + piece(reasoning="c", content="d") + END,
    "half characters": b'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n'
    + piece(content="b")
    + END,
    "tool calls": piece(content="Let me see")
    + call_piece(0, id="call-a", type="function", function={"name": "weather", "arguments": ""})
    + call_piece(0, function={"arguments": '{"city":'})
    + call_piece(0, function={"arguments": ' "서울"}'})
    + call_piece(1, id="call-b", type="function", function={"name": "time", "arguments": "{}"})
    + END,
    "calls in turn": call_piece(0, id="a", type="function", function={"name": "f", "arguments": "1"})
    + call_piece(1, id="b", type="function", function={"name": "g", "arguments": "2"})
    + call_piece(0, function={"arguments": "3"})
    + END,
    "refusal": piece(refusal="I will") + piece(refusal=" not") + END,
    "several pieces in an event": b'data: {"choices":[{"index":0,"delta":{"content":"a"}},'
    b'{"index":0,"delta":{"content":"bc"}}]}\n\n' + piece(content="d") + END,
}


def ask(client: httpx.Client, engine: ScriptedEngine, body: bytes) -> httpx.Response:
    """A stored stream, read to its end."""
    engine.reply(body)
    answer = client.post("/api/chat", json={"content": "x", "stream": True})
    assert answer.status_code == 200
    return answer


@pytest.mark.parametrize("name", ANSWERS)
def test_client_that_leaves_at_any_byte_has_the_same_text_in_the_end(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, name: str
) -> None:
    answer = ask(odd_client, scripted_engine, ANSWERS[name])
    path, body = stream_path(answer.headers), answer.content
    whole = Seen().read(body)
    rests: dict[str, bytes] = {}
    # Of a refusal the record has a reason of its own.
    ends = [(reason, whole.usage, True) for reason in (whole.finish_reason, REFUSAL)]

    for cut in range(len(body) + 1):
        seen = Seen().read(body[:cut])
        if not seen.last_id:
            seen = Seen()
        if seen.last_id not in rests:
            rests[seen.last_id] = odd_client.get(path, headers=id_headers(seen.last_id)).content
        seen = copy.deepcopy(seen).read(rests[seen.last_id])

        assert seen.said == whole.said
        assert (seen.finish_reason, seen.usage, seen.is_done) in ends
        assert seen.errors == []

    assert len(rests) > 2


def test_long_answer_comes_in_events_between_which_a_client_may_leave(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    text = "가나다라마" * 2000
    first = ask(odd_client, scripted_engine, piece(content=text) + END)
    path = stream_path(first.headers)
    body = odd_client.get(path).content
    cut = body.index(b"\n\n", len(body) // 2) + 2

    left = Seen().read(body[:cut])

    assert 0 < len(left.content) < len(text)
    assert come_back(odd_client, path, left).content == text


def test_every_event_with_text_has_an_id_of_its_own_and_the_engines_bytes(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    sent = ANSWERS["korean"]

    body = ask(odd_client, scripted_engine, sent).content

    events = body.removesuffix(b"\n\n").split(b"\n\n")
    ids = [event.partition(b"\n")[0] for event in events if event.startswith(b"id: ")]
    assert [event_id.partition(b".")[2] for event_id in ids] == [b"0.2", b"0.7", b"0.9", b"0.9"]
    # The first event has the ids of conversation and message besides.
    data = [event.rpartition(b"\n")[2] if event.startswith(b"id: ") else event for event in events]
    assert data[1:] == sent.removesuffix(b"\n\n").split(b"\n\n")[1:]


def test_openais_api_and_unstored_chats_have_no_ids(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(ANSWERS["text"])
    said = {"messages": [{"role": "user", "content": "x"}], "stream": True}

    for path, body in (("/v1/chat/completions", {"model": "current"}), ("/api/chat", {"store": False})):
        answer = odd_client.post(path, json=said | body)

        assert answer.status_code == 200
        assert b"id: " not in answer.content


def test_stream_begins_with_the_ids_and_headers_of_the_first_one(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    first = ask(odd_client, scripted_engine, ANSWERS["text"])

    again = odd_client.get(stream_path(first.headers))

    for name in ("content-type", "cache-control", "x-conversation-id", "x-message-id"):
        assert again.headers[name] == first.headers[name]
    begun = json.loads(again.text.split("\n\n")[0].partition("data: ")[2])
    assert begun["conversation_id"] == first.headers["x-conversation-id"]
    assert begun["message_id"] == first.headers["x-message-id"]
    assert begun["object"] == "chat.completion.chunk"
    assert begun["model"] == "scripted"


@pytest.mark.parametrize("last_id", ["", "tag.0.3"])
def test_answer_that_failed_ends_with_its_error_again(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, last_id: str
) -> None:
    first = ask(odd_client, scripted_engine, piece(content="Hel") + piece(content="lo"))
    whole = Seen().read(first.content)
    tag = whole.last_id.partition(".")[0]
    seen = Seen(last_id=last_id.replace("tag", tag), content="Hel" if last_id else "")

    seen = come_back(odd_client, stream_path(first.headers), seen)

    assert (seen.content, seen.errors, seen.is_done) == ("Hello", ["upstream_unavailable"], True)
    assert whole.errors == seen.errors


def test_answer_that_goes_on_counts_from_the_text_that_it_has(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    cut = piece(content="하나 ") + delta_event(finish_reason="length") + DONE
    first = ask(odd_client, scripted_engine, cut)
    scripted_engine.reply(ANSWERS["korean"])
    path = stream_path(first.headers)

    more = odd_client.post(path.replace("/stream", "/continue"), json={"stream": True})
    events = more.content.split(b"\n\n")
    left = Seen(content="하나 ").read(b"\n\n".join([*events[:2], b""]))
    came_back = come_back(odd_client, path, left)

    assert came_back.content == "하나 안녕하세요 😀한글"
    assert come_back(odd_client, path, Seen()).content == came_back.content
    # What was said before is told by the ids of the first request no more.
    stale = odd_client.get(path, headers=id_headers(Seen().read(first.content).last_id))
    assert stale.status_code == 400


@pytest.mark.parametrize(
    "last_id",
    [
        "1",
        "{tag}",
        "{tag}.0",
        "{tag}.0.99",
        "{tag}.1.0",
        "{tag}.0.1.4-4",
        "000000.0.1",
        "{tag}.-1.0",
        "{tag}.0.٣",
    ],
)
def test_id_of_no_event_of_the_answer_is_refused_by_name(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, last_id: str
) -> None:
    first = ask(odd_client, scripted_engine, ANSWERS["text"])
    tag = Seen().read(first.content).last_id.partition(".")[0]
    headers = {b"Last-Event-ID": last_id.replace("{tag}", tag).encode()}

    answer = odd_client.get(stream_path(first.headers), headers=headers)

    assert answer.status_code == 400
    assert error_of(answer)["param"] == "Last-Event-ID"


def test_message_that_is_no_answer_is_missing(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    first = ask(odd_client, scripted_engine, ANSWERS["text"])
    conversation = f"/api/conversations/{first.headers['x-conversation-id']}"
    [asked, _answered] = odd_client.get(conversation).json()["messages"]

    answers = [
        odd_client.get(f"{conversation}/messages/{message_id}/stream")
        for message_id in (asked["id"], uuid.uuid4())
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


def test_answer_is_not_found_in_another_conversation(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    one, other = (ask(odd_client, scripted_engine, ANSWERS["text"]).headers for _ in range(2))
    path = stream_path(one).replace(one["x-conversation-id"], other["x-conversation-id"])

    assert odd_client.get(path).status_code == 404


def test_key_without_the_scope_of_history_is_refused(
    odd_gateway: GatewayProcess, odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    first = ask(odd_client, scripted_engine, ANSWERS["text"])
    made = {
        scope: odd_client.post("/api/keys", json={"name": scope, "scopes": [scope]}).json()["key"]
        for scope in ("chat", "history")
    }

    statuses = {
        scope: httpx.get(
            odd_gateway.url + stream_path(first.headers), headers={"Authorization": f"Bearer {key}"}
        ).status_code
        for scope, key in made.items()
    }

    assert statuses == {"chat": 403, "history": 200}

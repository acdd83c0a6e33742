"""Errors of engines in forms of their own, and answers that hold nothing, on both APIs."""

from __future__ import annotations

import httpx
import pytest

from chat.tests.odd_engines import (
    BODIES,
    DONE,
    PATHS,
    completion,
    event,
    newest_answer,
    plain,
    stream,
)
from chat.tests.scripted_engine import ScriptedEngine, delta_event
from chat.tests.streams import error_of
from gateway.tests.live import GatewayProcess, wait_until

REPORTED = {
    "flat": b'data: {"object":"error","message":"KV cache is full","code":500}\n\n',
    "named": b'event: error\ndata: {"message":"KV cache is full"}\n\n',
    "named, in words": b"event: error\ndata: KV cache is full\n\n",
    "code beside the error": b'data: {"error":{"message":"KV cache is full"},"code":500}\n\n',
    "words": b'data: {"error":"KV cache is full"}\n\n',
    "beside null": b'data: {"choices":null,"error":{"message":"KV cache is full","code":"500"}}\n\n',
    "detail": b'data: {"detail":"KV cache is full"}\n\n',
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", REPORTED)
def test_error_in_any_shape_is_one_error_event(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str
) -> None:
    scripted_engine.reply(delta_event("a") + REPORTED[kind] + DONE)

    reply = stream(odd_client, path)

    assert [(e["code"], e["type"]) for e in reply.errors] == [("upstream_unavailable", "upstream_error")]
    assert "KV cache is full" in reply.errors[0]["message"]
    assert (reply.is_done, len(reply.events), reply.text) == (True, 2, "a")
    if path == "/api/chat":
        stored = newest_answer(odd_client)
        assert (stored["status"], stored["content"]) == ("error", "a")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", REPORTED)
def test_error_in_any_shape_before_the_first_text_is_a_502(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str
) -> None:
    scripted_engine.reply(REPORTED[kind] + DONE)

    answers = [
        odd_client.post(path, json={**BODIES[path], "stream": True}),
        *([plain(odd_client, path)] if path == "/api/chat" else []),
    ]

    assert [answer.status_code for answer in answers] == [502] * len(answers)
    assert all("KV cache is full" in error_of(answer)["message"] for answer in answers)


GIVEN_UP = {
    "error": delta_event(finish_reason="error") + DONE,
    "abort": delta_event(finish_reason="abort") + DONE,
    "[DONE] alone": DONE,
    "[DONE] after the role": event(b'{"role":"assistant","content":""}') + DONE,
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["error", "abort"])
def test_answer_that_the_engine_gave_up_ends_in_an_error_event(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str
) -> None:
    scripted_engine.reply(delta_event("a") + GIVEN_UP[kind])

    reply = stream(odd_client, path)

    assert [e["code"] for e in reply.errors] == ["upstream_unavailable"]
    assert (reply.is_done, reply.text) == (True, "a")
    if path == "/api/chat":
        assert newest_answer(odd_client)["status"] == "error"
        assert plain(odd_client, path).status_code == 502


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", GIVEN_UP)
def test_answer_that_holds_nothing_is_an_error(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, path: str
) -> None:
    scripted_engine.reply(GIVEN_UP[kind])

    answer = odd_client.post(path, json={**BODIES[path], "stream": True})

    if kind == "[DONE] after the role":  # the role is on its way already
        assert "upstream_unavailable" in answer.text
    else:
        assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_unavailable")
    if path == "/api/chat":
        assert newest_answer(odd_client)["status"] == "error"
        assert plain(odd_client, path).status_code == 502


@pytest.mark.parametrize("path", PATHS)
def test_answer_without_a_finish_reason_is_complete_and_flagged(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, odd_gateway: GatewayProcess, path: str
) -> None:
    scripted_engine.reply(delta_event("a") + DONE)

    reply = stream(odd_client, path)

    assert (reply.errors, reply.is_done, reply.text) == ([], True, "a")
    wait_until(
        lambda: odd_gateway.log_events("request")[-1].get("is_unfinished"), what="the answer to be flagged"
    )
    if path == "/api/chat":
        answer = plain(odd_client, path).json()
        assert (answer["message"]["content"], answer["finish_reason"]) == ("a", None)
        assert newest_answer(odd_client)["status"] == "complete"


IN_PLACE_OF_A_COMPLETION = {
    "an error": b'{"error":{"message":"KV cache is full"},"code":500}',
    "an error with a number": b'{"error":{"message":"KV cache is full","code":500}}',
    "a flat error": b'{"object":"error","message":"KV cache is full","code":500}',
    "no choices": b'{"id":"c","object":"chat.completion","choices":[]}',
    "choices that are null": b'{"id":"c","object":"chat.completion","choices":null}',
    "a page": b"<html>KV cache is full</html>",
    "a list": b"[]",
    "nothing": b"",
    "half": completion()[:-20],
    "finish_reason error": completion().replace(b'"stop"', b'"error"'),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("kind", IN_PLACE_OF_A_COMPLETION)
def test_a_200_that_holds_no_completion_is_a_502(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: str, is_stream: bool, path: str
) -> None:
    scripted_engine.reply(IN_PLACE_OF_A_COMPLETION[kind], content_type="application/json")

    answer = odd_client.post(path, json={**BODIES[path], "stream": is_stream})

    if kind == "finish_reason error" and is_stream:  # its text is on its way already
        assert "upstream_unavailable" in answer.text
        return
    assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_unavailable")
    if "error" in kind.split() and "finish_reason" not in kind:
        assert "KV cache is full" in error_of(answer)["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_refusal_of_fastapi_keeps_its_message_and_place(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, is_stream: bool, path: str
) -> None:
    body = b'{"detail":[{"type":"x","loc":["body","top_p"],"msg":"Input should be a number","input":"k"}]}'
    scripted_engine.reply(body, status=422, content_type="application/json")

    answer = odd_client.post(path, json={**BODIES[path], "stream": is_stream})

    error = error_of(answer)
    assert (answer.status_code, error["message"], error["param"]) == (
        422,
        "Input should be a number",
        "top_p",
    )


def test_no_odd_answer_is_a_fault_of_the_gateway(odd_gateway: GatewayProcess) -> None:
    log = odd_gateway.log()

    assert "Traceback" not in log
    assert "generation_failed" not in log

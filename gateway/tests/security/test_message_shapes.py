"""Messages that are no messages, and the ids of media, which vLLM takes for its keys."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chat.prompt_cache import private_media_id
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from gateway.ids import new_id
from gateway.tests.live import GatewayProcess

DATA_URL = "data:image/png;base64,AAAA"
INNER = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}
MESSAGE = {"role": "user", "content": [INNER]}


def nested_lists(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


SHAPES: list[tuple[object, str]] = [
    ({"0": MESSAGE}, "messages"),
    ({"role": "user", "content": "hello"}, "messages"),
    ("hello", "messages"),
    (5, "messages"),
    (True, "messages"),
    ([[MESSAGE]], "messages.0"),
    ([[[MESSAGE]]], "messages.0"),
    (["hello"], "messages.0"),
    ([5], "messages.0"),
    ([None], "messages.0"),
    ([{"role": "user", "content": "a"}, [MESSAGE]], "messages.1"),
    ([{"role": "user", "content": INNER}], "messages.0.content"),
    ([{"role": "user", "content": 5}], "messages.0.content"),
    ([{"role": "user", "content": True}], "messages.0.content"),
    ([{"role": "user", "content": [[INNER]]}], "messages.0.content.0"),
    ([{"role": "user", "content": [{"type": "text", "text": "a"}, "b"]}], "messages.0.content.1"),
    ([{"role": "user", "content": [5]}], "messages.0.content.0"),
    ([{"role": "user", "content": [None]}], "messages.0.content.0"),
    ([{"role": "assistant", "tool_calls": {"0": {}}}], "messages.0.tool_calls"),
    ([{"role": "assistant", "tool_calls": "x"}], "messages.0.tool_calls"),
    ([{"role": "assistant", "tool_calls": [[{}]]}], "messages.0.tool_calls.0"),
    ([{"role": "assistant", "tool_calls": [{"function": []}]}], "messages.0.tool_calls.0.function"),
    ([{"role": "assistant", "function_call": []}], "messages.0.function_call"),
    ([{"role": "user", "content": [{"type": nested_lists(40)}]}], "messages.0.content"),
    ([{"role": "user", "content": [{"type": nested_lists(900)}]}], "messages.0.content"),
    ([{"role": "user", "content": "a", "more": nested_lists(900)}], "messages.0.more"),
]


@pytest.mark.parametrize(("messages", "param"), SHAPES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_what_is_no_object_where_one_belongs_is_refused(
    web: httpx.Client, reached: list[object], path: str, messages: object, param: str
) -> None:
    answer = web.post(path, json={"messages": messages})

    assert (answer.status_code, error_of(answer)["param"]) == (400, param)
    assert reached == []


@pytest.mark.parametrize("media_id", ["", 5, ["a"], {"a": 1}, "x" * 129, True])
def test_id_of_a_medium_is_a_short_text(web: httpx.Client, reached: list[object], media_id: object) -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": None, "uuid": media_id}]}]

    answer = web.post("/v1/chat/completions", json={"messages": messages})

    assert (answer.status_code, error_of(answer)["param"]) == (400, "messages.0.content.0.uuid")
    assert reached == []


def ids_seen(client: httpx.Client, engine: ScriptedEngine, *media_ids: str | None) -> list[Any]:
    """What becomes of the ids of the parts of one message, at the part's own level and within it."""
    parts = [
        {"type": "image_url", "image_url": {"url": DATA_URL, "uuid": media_id}, "uuid": media_id}
        for media_id in media_ids
    ]
    engine.received.clear()
    body = {"messages": [{"role": "user", "content": parts}]}
    assert client.post("/v1/chat/completions", json=body).status_code == 200
    seen = engine.received[0]["messages"][0]["content"]
    assert all(part["image_url"] == {"url": DATA_URL, "uuid": part["uuid"]} for part in seen)
    return [part["uuid"] for part in seen]


def test_id_of_a_medium_is_each_users_own(fort: GatewayProcess, recording_engine: ScriptedEngine) -> None:
    with fort.client("demo") as demo, fort.client("admin") as admin:
        first, again, other, none = ids_seen(demo, recording_engine, "cat", "cat", "dog", None)
        (later,) = ids_seen(demo, recording_engine, "cat")
        (forged,) = ids_seen(admin, recording_engine, first)
        (of_admin,) = ids_seen(admin, recording_engine, "cat")

    assert first == again == later
    assert none is None
    assert len({"cat", first, other, forged, of_admin}) == 5


def test_private_id_of_a_medium_is_keyed() -> None:
    user_id = new_id()

    one = private_media_id("cat", secret="a" * 40, user_id=user_id)

    assert one == private_media_id("cat", secret="a" * 40, user_id=user_id)
    assert one != private_media_id("cat", secret="b" * 40, user_id=user_id)
    assert one != private_media_id("cat", secret="a" * 40, user_id=new_id())
    assert len(one) == 43

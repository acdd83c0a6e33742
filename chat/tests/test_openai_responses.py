"""OpenAI's responses: the engine's bytes with the gateway's id, stored for who may read them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from chat.response_wire import ResponseRecord, ResponseStreamReader
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from chat.tests.typed_events import read_events, response_events, response_object, typed_event
from chat.transcript import Transcript
from gateway.errors import GatewayError, UpstreamUnavailable
from gateway.tests.live import GatewayProcess

RESPONSES = "/v1/responses"
OWN = ("id", "store", "previous_response_id")
"""What the gateway writes into a response object."""


def ask(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(RESPONSES, json={"model": "scripted", "input": "Hello"} | fields)


def reply_whole(engine: ScriptedEngine, text: str = "Hi.", **fields: Any) -> dict[str, Any]:
    content = response_object(text=text, **fields)
    engine.reply(json.dumps(content).encode(), content_type="application/json")
    return content


def without_own(response: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in response.items() if name not in OWN}


@pytest.fixture
def chatting(odd_gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """A client with a key that may chat, and read nothing that is stored."""
    key = odd_gateway.manage("create_api_key", "demo", "--quiet", "--scope", "chat").strip()
    with httpx.Client(base_url=odd_gateway.url, headers={"Authorization": f"Bearer {key}"}) as session:
        yield session


def test_whole_response_is_the_engines_with_an_id_of_the_gateways(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    engines = reply_whole(scripted_engine)

    answer = ask(odd_client, model="current").json()

    assert without_own(answer) == without_own(engines)
    assert answer["id"].startswith("resp_")
    assert answer["id"] != engines["id"]
    assert answer["store"] is True
    asked = scripted_engine.received[-1]
    assert (asked["model"], asked["store"], asked["input"]) == ("scripted", False, "Hello")
    assert asked["cache_salt"]


def test_stream_has_the_engines_own_events(odd_client: httpx.Client, scripted_engine: ScriptedEngine) -> None:
    theirs = response_events("Hel", "lo")
    scripted_engine.reply(b"".join(theirs))

    answer = ask(odd_client, stream=True)

    ours = [event + b"\n\n" for event in answer.content.removesuffix(b"\n\n").split(b"\n\n")]
    assert ours[2:-1] == theirs[2:-1]
    for event, original in zip(read_events(answer), map(json_of, theirs), strict=True):
        if "response" in event:
            assert without_own(event["response"]) == without_own(original["response"])
            event["response"] = original["response"]
        assert event == original
    assert "stream_options" not in scripted_engine.received[-1]


def json_of(event: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(event.split(b"\ndata: ")[1])
    return content


def test_stored_response_is_read_again_with_its_input(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(b"".join(response_events("Hel", "lo")))

    last = read_events(ask(odd_client, stream=True, instructions="Be brief."))[-1]["response"]

    path = f"{RESPONSES}/{last['id']}"
    assert odd_client.get(path).json() == last
    listed = odd_client.get(f"{path}/input_items").json()
    assert [item["content"] for item in listed["data"]] == [[{"type": "input_text", "text": "Hello"}]]
    assert listed["first_id"] == listed["last_id"] == listed["data"][0]["id"]


def test_nul_is_stored_and_read_again(odd_client: httpx.Client, scripted_engine: ScriptedEngine) -> None:
    """No store takes it in a text, but in JSON it is escaped."""
    reply_whole(scripted_engine, text="a\0b")

    answer = ask(odd_client, input="c\0d", instructions="e\0f")

    assert answer.status_code == 200
    path = f"{RESPONSES}/{answer.json()['id']}"
    assert odd_client.get(path).json() == answer.json()
    listed = odd_client.get(f"{path}/input_items").json()
    assert listed["data"][0]["content"] == [{"type": "input_text", "text": "c\0d"}]
    assert scripted_engine.received[-1]["input"] == "c\0d"


def test_input_is_read_in_pages(odd_client: httpx.Client, scripted_engine: ScriptedEngine) -> None:
    reply_whole(scripted_engine)
    given = [{"role": "user", "content": str(number)} for number in range(3)]
    path = f"{RESPONSES}/{ask(odd_client, input=given).json()['id']}/input_items"

    first = odd_client.get(path, params={"limit": 2, "order": "asc"}).json()
    second = odd_client.get(path, params={"limit": 2, "order": "asc", "after": first["last_id"]}).json()

    assert [item["content"] for item in first["data"] + second["data"]] == ["0", "1", "2"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    for wrong in ({"limit": "x"}, {"order": "up"}, {"after": "nothing"}):
        assert odd_client.get(path, params=wrong).status_code == 400


def test_response_goes_on_with_all_that_went_before(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    first_answer = reply_whole(scripted_engine, "One.")
    first = ask(odd_client, input="1", instructions="Count.").json()
    second_answer = reply_whole(scripted_engine, "Two.")
    second = ask(
        odd_client, input=[{"role": "user", "content": "2"}], previous_response_id=first["id"]
    ).json()

    third = ask(odd_client, input="3", previous_response_id=second["id"]).json()

    asked = scripted_engine.received[-1]
    texts = [{"type": "input_text", "text": "1"}], "2", [{"type": "input_text", "text": "3"}]
    assert [item.get("content") for item in asked["input"] if item["role"] == "user"] == list(texts)
    assert asked["input"][1:2] == first_answer["output"]
    assert asked["input"][3:4] == second_answer["output"]
    assert "previous_response_id" not in asked
    assert "instructions" not in asked
    assert third["previous_response_id"] == second["id"]


def test_items_of_an_odd_shape_are_stored_all_the_same(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    reply_whole(scripted_engine, output=["text", {"id": 1}, {"id": None}, {}])

    answer = ask(odd_client).json()

    assert odd_client.get(f"{RESPONSES}/{answer['id']}").json() == answer


def test_nul_characters_are_stored_and_go_on(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    reply_whole(scripted_engine, "\0one")
    first = ask(odd_client, input="1\0").json()

    ask(odd_client, input="2", previous_response_id=first["id"])

    question, answer, _next = scripted_engine.received[-1]["input"]
    assert question["content"][0]["text"] == "1\0"
    assert answer["content"][0]["text"] == "\0one"
    assert odd_client.get(f"{RESPONSES}/{first['id']}").json() == first


@pytest.mark.parametrize("kind", [{"type": "item_reference"}, {}])
def test_item_of_an_earlier_output_may_be_named_by_its_id(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kind: dict[str, str]
) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
    reply_whole(scripted_engine, output=[call])
    first = ask(odd_client).json()
    result = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    said = {"role": "user", "content": "Call f"}

    second = ask(odd_client, input=[said, {"id": "fc_1", **kind}, result]).json()

    assert scripted_engine.received[-1]["input"] == [said, call, result]
    ask(odd_client, input="3", previous_response_id=second["id"])
    assert scripted_engine.received[-1]["input"][:3] == [said, call, result]
    odd_client.delete(f"{RESPONSES}/{first['id']}")


def test_item_that_is_named_has_to_be_in_a_stored_response_of_the_callers(
    odd_client: httpx.Client,
    odd_gateway: GatewayProcess,
    chatting: httpx.Client,
    scripted_engine: ScriptedEngine,
) -> None:
    reply_whole(scripted_engine, output=[{"type": "function_call", "id": "fc_of_demo"}])
    ask(odd_client)
    named = [{"type": "item_reference", "id": "fc_of_demo"}]

    with odd_gateway.client("admin") as other:
        foreign = ask(other, input=named)
    missing = ask(odd_client, input=[{"type": "item_reference", "id": "fc_of_nobody"}])

    assert (foreign.status_code, foreign.json()) == (404, missing.json())
    assert ask(chatting, input=named).status_code == 403


def test_response_does_not_go_on_with_one_that_is_gone(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    reply_whole(scripted_engine)
    first = ask(odd_client).json()["id"]
    second = ask(odd_client, previous_response_id=first).json()["id"]
    before = len(scripted_engine.received)

    deleted = odd_client.delete(f"{RESPONSES}/{first}")

    assert deleted.json() == {"id": first, "object": "response", "deleted": True}
    assert odd_client.get(f"{RESPONSES}/{first}").status_code == 404
    assert odd_client.get(f"{RESPONSES}/{second}").status_code == 200
    for previous in (first, second, "resp_nothing", "nothing"):
        refused = ask(odd_client, previous_response_id=previous)
        assert (refused.status_code, error_of(refused)["param"]) == (404, "previous_response_id")
    assert len(scripted_engine.received) == before


def test_nothing_is_stored_on_request(odd_client: httpx.Client, scripted_engine: ScriptedEngine) -> None:
    reply_whole(scripted_engine)

    answer = ask(odd_client, store=False).json()

    assert answer["store"] is False
    assert odd_client.get(f"{RESPONSES}/{answer['id']}").status_code == 404


def test_key_without_the_history_scope_stores_nothing_and_says_so(
    chatting: httpx.Client, odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    reply_whole(scripted_engine)
    stored = ask(odd_client).json()["id"]

    answer = ask(chatting).json()

    assert answer["store"] is False
    assert odd_client.get(f"{RESPONSES}/{answer['id']}").status_code == 404
    for refused in (ask(chatting, previous_response_id=stored), chatting.get(f"{RESPONSES}/{stored}")):
        assert (refused.status_code, error_of(refused)["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("kept", [1, 5, 9])
def test_stream_that_breaks_off_ends_with_one_error_and_is_stored_as_failed(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, kept: int
) -> None:
    scripted_engine.reply(b"".join(response_events("Hel", "lo")[:kept]))

    events = read_events(ask(odd_client, stream=True))

    assert [event["type"] for event in events].count("error") == 1
    assert events[-1]["error"]["code"] == events[-1]["code"] == "upstream_unavailable"
    assert events[-1]["sequence_number"] == kept
    assert "[DONE]" not in str(events)
    stored = odd_client.get(f"{RESPONSES}/{events[0]['response']['id']}").json()
    assert (stored["status"], stored["error"]["code"]) == ("failed", "upstream_unavailable")
    texts = [part["text"] for item in stored["output"] for part in item["content"]]
    assert texts == {1: [], 5: ["Hel"], 9: ["Hello"]}[kept]


def test_sdk_raises_for_a_stream_that_breaks_off(
    odd_gateway: GatewayProcess, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(b"".join(response_events("Hel", "lo")[:5]))
    with openai.OpenAI(base_url=f"{odd_gateway.url}/v1", api_key=odd_gateway.token()) as client:
        stream = client.responses.create(model="scripted", input="Hello", stream=True)

        with pytest.raises(openai.APIError, match="broke off"):
            list(stream)


@pytest.mark.parametrize(
    "failure",
    [
        typed_event("error", code="server_error", message="out of blocks", param=None),
        typed_event("error", error={"message": "out of blocks", "code": 500}),
        typed_event(
            "response.failed",
            response=response_object("failed", error={"code": "server_error", "message": "out of blocks"}),
        ),
    ],
)
def test_error_of_the_engine_in_a_stream_is_told_once(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, failure: bytes
) -> None:
    scripted_engine.reply(b"".join([*response_events("Hel")[:5], failure]))

    events = read_events(ask(odd_client, stream=True))

    assert [event["type"] for event in events if "fail" in event["type"] or "err" in event["type"]] == [
        "error"
    ]
    assert "out of blocks" in events[-1]["message"]


def test_response_that_the_engine_gave_up_is_a_failure(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(b"".join(response_events("Hel", status="cancelled")))

    events = read_events(ask(odd_client, stream=True))

    assert events[-1]["type"] == "error"


@pytest.mark.parametrize(
    "event",
    [
        typed_event("response.created", response="text"),
        typed_event("response.completed", response={"status": 1}),
        typed_event("response.completed", response={"object": "response"}),
        typed_event("response.output_item.added", output_index=0, item=[]),
        b"event: response.created\ndata: []\n\n",
        b"event: response.created\ndata: {\n\n",
    ],
)
def test_event_of_another_shape_is_a_failure(event: bytes) -> None:
    reader = ResponseStreamReader(Transcript(), ResponseRecord())

    read = reader.read(b"".join([*response_events("Hel")[:5], event]))

    assert isinstance(read.ending, UpstreamUnavailable)
    assert len(read.kept) == 5


def test_event_of_an_unknown_type_passes_as_it_is() -> None:
    reader = ResponseStreamReader(Transcript(), ResponseRecord())
    event = typed_event("response.new_kind.delta", delta={"x": [1]}, output_index="first")

    read = reader.read(event)

    assert [kept + b"\n\n" for kept in read.kept] == [event]
    assert read.ending is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"object": "response", "status": "completed", "output": 1}',
        b"[]",
        b"no json",
        b'{"object": "list", "data": []}',
        b'{"error": {"code": 500}}',
    ],
)
def test_whole_answer_that_is_no_response_is_a_failure(body: bytes) -> None:
    with pytest.raises(GatewayError):
        ResponseRecord().read_whole(body)


def test_error_before_the_first_byte_keeps_its_status(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    refusal = {"error": {"message": "no such tool", "type": "BadRequestError", "param": "tools", "code": 400}}
    scripted_engine.reply(json.dumps(refusal).encode(), status=400, content_type="application/json")

    answer = ask(odd_client, stream=True)

    assert (answer.status_code, error_of(answer)["param"]) == (400, "tools")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"store": "yes"}, "store"),
        ({"previous_response_id": 1}, "previous_response_id"),
        ({"input": 1}, "input"),
        ({"max_output_tokens": 10**9}, "max_output_tokens"),
        ({"user": "x" * 1000}, "user"),
        ({"priority": 1}, "priority"),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "image_url": "http://169.254.169.254/"}],
                    }
                ]
            },
            "input.0.content.0.image_url",
        ),
    ],
)
def test_what_a_request_may_ask_is_bounded(odd_client: httpx.Client, fields: Any, param: str) -> None:
    answer = ask(odd_client, **fields)

    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


def test_response_that_has_ended_cannot_be_cancelled_and_stays_as_it_is(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    reply_whole(scripted_engine)
    answer = ask(odd_client).json()

    cancelled = odd_client.post(f"{RESPONSES}/{answer['id']}/cancel")

    assert cancelled.status_code == 400
    assert error_of(cancelled)["message"].startswith("Cannot cancel a synchronous response.")
    assert odd_client.get(f"{RESPONSES}/{answer['id']}").json() == answer


@pytest.mark.parametrize("name", ["resp_0123456789abcdef0123456789abcdef", "resp_nothing"])
@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel")])
def test_missing_response_is_told_in_the_words_of_openai(
    odd_client: httpx.Client, name: str, method: str, below: str
) -> None:
    answer = odd_client.request(method, f"{RESPONSES}/{name}{below}")

    assert (answer.status_code, error_of(answer)["message"]) == (404, f"Response with id '{name}' not found.")


def test_stored_response_is_not_read_as_a_stream(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    reply_whole(scripted_engine)
    answer = ask(odd_client).json()

    refused = odd_client.get(f"{RESPONSES}/{answer['id']}", params={"stream": "true"})

    assert (refused.status_code, error_of(refused)["param"]) == (400, "stream")

"""POST …/messages, …/regenerate and …/continue against a running gateway."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from chat.plane import is_chat_path
from chat.tests.scripted_engine import ScriptedEngine, delta_event, usage_event
from chat.tests.streams import error_of, read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.simulator.process import start_simulator

DONE = b"data: [DONE]\n\n"


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        yield session


def start(client: httpx.Client, content: str = "Tell me more", **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/chat", json={"content": content, "seed": 3} | fields)
    started: dict[str, Any] = answer.raise_for_status().json()
    return started


def path_of(answer: dict[str, Any], verb: str) -> str:
    return f"/api/conversations/{answer['conversation_id']}/messages/{answer['message_id']}/{verb}"


def branch_of(client: httpx.Client, answer: dict[str, Any]) -> list[dict[str, Any]]:
    detail = client.get(f"/api/conversations/{answer['conversation_id']}").json()
    messages: list[dict[str, Any]] = detail["messages"]
    return messages


def row_of(client: httpx.Client, answer: dict[str, Any]) -> dict[str, Any]:
    return branch_of(client, answer)[-1]


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_message_to_a_conversation_is_a_chat_that_its_path_names(
    client: httpx.Client, is_stream: bool
) -> None:
    first = start(client, max_tokens=2)
    path = f"/api/conversations/{first['conversation_id']}/messages"
    body = {"content": "two", "max_tokens": 2, "client_message_id": uuid.uuid4().hex, "stream": is_stream}

    answer = client.post(path, json=body)
    again = client.post(path, json=body)
    by_chat = client.post("/api/chat", json=body | {"conversation_id": first["conversation_id"]})

    ids = {a.headers["x-message-id"] for a in (answer, again, by_chat)}
    assert {a.status_code for a in (answer, again, by_chat)} == {200}
    assert len(ids) == 1
    assert [m["content"] for m in branch_of(client, first) if m["role"] == "user"] == ["Tell me more", "two"]


@pytest.mark.parametrize("field", ["conversation_id", "store"])
def test_message_to_a_conversation_says_nothing_that_its_path_decides(
    client: httpx.Client, field: str
) -> None:
    values = {"store": False, "conversation_id": str(uuid.uuid4())}
    body = {"content": "x", field: values[field]}

    answer = client.post(f"/api/conversations/{uuid.uuid4()}/messages", json=body)

    assert answer.status_code == 400
    assert error_of(answer)["param"] in {field, "conversation_id"}


def test_only_posts_to_the_messages_of_a_conversation_are_answered_here() -> None:
    messages = f"/api/conversations/{uuid.uuid4()}/messages"

    assert is_chat_path(messages, "POST")
    assert not is_chat_path(messages, "GET")
    for verb in ("regenerate", "continue", "cancel"):
        assert is_chat_path(f"{messages}/{uuid.uuid4()}/{verb}", "GET")
    assert not is_chat_path(f"{messages}/{uuid.uuid4()}", "POST")


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_another_answer_is_generated_with_other_settings(client: httpx.Client, is_stream: bool) -> None:
    first = start(client, max_tokens=3)
    body = {"max_tokens": 5, "temperature": 0.1, "stream": is_stream}

    other = client.post(path_of(first, "regenerate"), json=body)

    assert other.status_code == 200
    asked, answered = branch_of(client, first)
    assert answered["id"] == other.headers["x-message-id"] != first["message_id"]
    assert answered["parent_id"] == asked["id"]
    assert answered["usage"]["completion_tokens"] == 5
    # The question itself is answered in the same way, without a body.
    third = client.post(path_of(first | {"message_id": asked["id"]}, "regenerate")).json()
    assert row_of(client, first)["id"] == third["message_id"]


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_answer_that_was_cut_ends_as_if_it_never_had_been(client: httpx.Client, is_stream: bool) -> None:
    whole = start(client, temperature=1)["message"]["content"]
    first = start(client, max_tokens=9)
    cut = row_of(client, first)

    if is_stream:
        reply = read_stream(client, path_of(first, "continue"), {"seed": 3})
        assert first["message"]["content"] + reply.text == whole
        assert reply.is_done
        assert reply.events[0]["message_id"] == first["message_id"]
        added = reply.usage or {}
        usage = {name: added[name] + cut["usage"][name] for name in cut["usage"]}
    else:
        answer = client.post(path_of(first, "continue"), json={"seed": 3}).json()
        assert answer["message"]["content"] == whole
        assert answer["message_id"] == first["message_id"]
        assert answer["finish_reason"] == "stop"
        usage = answer["usage"]

    row = row_of(client, first)
    assert (row["id"], row["content"], row["status"]) == (first["message_id"], whole, "complete")
    assert row["finish_reason"] == "stop"
    assert row["usage"] == usage
    assert row["usage"]["completion_tokens"] > cut["usage"]["completion_tokens"] == 9
    assert row["usage_source"] == "engine"
    assert row["ttft_ms"] == cut["ttft_ms"]
    assert row["latency_ms"] >= cut["latency_ms"]
    again = client.post(path_of(first, "continue"))
    assert (again.status_code, error_of(again)["code"]) == (409, "answer_not_continuable")
    assert again.headers["x-should-retry"] == "false"


def test_answer_that_was_stopped_goes_on_and_can_be_stopped_again(client: httpx.Client) -> None:
    whole = start(client)["message"]["content"]
    first: dict[str, Any] = {}

    def stop_in_the_middle(path: str, body: dict[str, Any]) -> None:
        with client.stream("POST", path, json=body | {"stream": True}) as response:
            first.update(
                conversation_id=response.headers["x-conversation-id"],
                message_id=response.headers["x-message-id"],
            )
            for number, _line in enumerate(response.iter_lines()):
                if number == 12:
                    client.post(path_of(first, "cancel"))

    stop_in_the_middle("/api/chat", {"content": "Tell me more", "seed": 3})
    stopped = row_of(client, first)
    stop_in_the_middle(path_of(first, "continue"), {"seed": 3})
    stopped_again = row_of(client, first)
    client.post(path_of(first, "continue"), json={"seed": 3})

    contents = [stopped["content"], stopped_again["content"], row_of(client, first)["content"]]
    assert [stopped["status"], stopped_again["status"]] == ["cancelled", "cancelled"]
    assert contents == sorted(set(contents), key=len)
    assert contents[-1] == whole
    assert all(whole.startswith(content) for content in contents)


HALF = (
    delta_event("Half an")
    + delta_event(finish_reason="length")
    + usage_event(prompt_tokens=5, completion_tokens=2)
)


def refuse(engine: ScriptedEngine) -> None:
    engine.reply(b'{"error": {"message": "broken"}}', status=500, content_type="application/json")


def break_off(engine: ScriptedEngine) -> None:
    engine.reply(b"")


def fail_in_band(engine: ScriptedEngine) -> None:
    engine.reply(b'data: {"error": {"message": "out of memory", "code": 500}}\n\n' + DONE)


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", [refuse, break_off, fail_in_band])
def test_answer_whose_continuation_fails_before_its_first_token_is_what_it_was(
    odd_client: httpx.Client,
    scripted_engine: ScriptedEngine,
    fault: Callable[[ScriptedEngine], None],
    is_stream: bool,
) -> None:
    scripted_engine.reply(HALF + DONE)
    first = start(odd_client)
    before = row_of(odd_client, first)
    fault(scripted_engine)

    failed = odd_client.post(path_of(first, "continue"), json={"stream": is_stream})

    after = row_of(odd_client, first)
    assert failed.status_code == 502
    assert after | {"request_id": ""} == before | {"request_id": ""}
    assert before["finish_reason"] == "length"
    scripted_engine.reply(delta_event(" answer.", finish_reason="stop") + DONE)
    answer = odd_client.post(path_of(first, "continue")).json()
    assert answer["message"]["content"] == "Half an answer."
    asked = scripted_engine.received[-1]
    assert (asked["continue_final_message"], asked["add_generation_prompt"]) == (True, False)
    assert asked["messages"][-1] == {"role": "assistant", "content": "Half an"}


def test_continuation_that_breaks_off_keeps_what_came_and_the_first_part(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine
) -> None:
    scripted_engine.reply(HALF + DONE)
    first = start(odd_client)
    scripted_engine.reply(delta_event(" ans"))

    reply = read_stream(odd_client, path_of(first, "continue"), {})

    row = row_of(odd_client, first)
    assert [error["code"] for error in reply.errors] == ["upstream_unavailable"]
    assert (row["status"], row["content"], row["error_code"]) == (
        "error",
        "Half an ans",
        "upstream_unavailable",
    )
    assert row["usage_source"] == "estimated"
    assert row["usage"]["completion_tokens"] == 3


def test_continuation_whose_process_is_killed_keeps_more_than_there_was_and_goes_on(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "10"]
    bounds = {"CHECKPOINT_INTERVAL": "0.1", "MESSAGE_LEASE": "1"}
    with (
        start_simulator(*flags) as engine,
        start_gateway(stores, tmp_path_factory.mktemp("killed"), engine.base_url, **bounds) as gateway,
        gateway.client() as client,
    ):
        first = start(client, max_tokens=4)
        seen: list[str] = []
        with client.stream("POST", path_of(first, "continue"), json={"stream": True, "seed": 3}) as stream:
            assert stream.status_code == 200

            def has_grown() -> bool:
                seen.append(row_of(client, first)["content"])
                return len(seen[-1]) > len(first["message"]["content"])

            wait_until(has_grown, what="the answer to be saved on its way")
            gateway.kill()
        gateway.start()
        killed = wait_until(
            lambda: (row := row_of(client, first))["status"] == "error" and row, what="it to be closed"
        )
        answer = client.post(path_of(first, "continue"), json={"seed": 3}).json()

    assert all(content.startswith(first["message"]["content"]) for content in seen)
    assert killed["error_code"] == "interrupted"
    assert killed["content"].startswith(seen[-1])
    assert answer["message"]["content"].startswith(killed["content"])
    assert answer["finish_reason"] == "stop"


def test_foreign_ids_are_answered_like_missing_ones(client: httpx.Client, gateway: GatewayProcess) -> None:
    theirs = start(client, max_tokens=2)
    missing = {"conversation_id": str(uuid.uuid4()), "message_id": str(uuid.uuid4())}

    with gateway.client("admin") as other:
        own = start(other, max_tokens=2)
        for verb in ("regenerate", "continue"):
            answers = [other.post(path_of(ids, verb)) for ids in (theirs, missing)]
            answers += [
                other.post(path_of(own | {"message_id": ids["message_id"]}, verb))
                for ids in (theirs, missing)
            ]
            assert {a.status_code for a in answers} == {404}
            assert error_of(answers[0]) == error_of(answers[1])
            assert error_of(answers[2]) == error_of(answers[3])
        said = [
            other.post(f"/api/conversations/{ids['conversation_id']}/messages", json={"content": "x"})
            for ids in (theirs, missing)
        ]
    assert {a.status_code for a in said} == {404}
    assert error_of(said[0]) == error_of(said[1])
    assert len(branch_of(client, theirs)) == 2


def test_key_without_the_history_scope_answers_nothing_again(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    first = start(client, max_tokens=2)
    key = gateway.manage("create_api_key", "demo", "--quiet", "--scope", "chat").strip()
    headers = {"Authorization": f"Bearer {key}"}
    messages = f"/api/conversations/{first['conversation_id']}/messages"

    answers = [
        httpx.post(gateway.url + path_of(first, verb), headers=headers) for verb in ("regenerate", "continue")
    ]
    answers.append(httpx.post(gateway.url + messages, headers=headers, json={"content": "x"}))

    assert [(a.status_code, error_of(a)["code"]) for a in answers] == [(403, "permission_denied")] * 3


def test_of_all_that_is_written_to_a_conversation_at_once_one_wins_and_nothing_is_lost_or_doubled(
    client: httpx.Client,
) -> None:
    first = start(client, max_tokens=4)
    messages = f"/api/conversations/{first['conversation_id']}/messages"
    slow = {"max_tokens": 30}

    def ask(tab: int) -> httpx.Response:
        path = (messages, path_of(first, "regenerate"), path_of(first, "continue"))[tab % 3]
        said = {"content": f"tab {tab}"} if tab % 3 == 0 else {}
        return client.post(path, json=slow | said)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))

    assert sorted(a.status_code for a in answers) == [200] + [409] * 5
    assert {error_of(a)["code"] for a in answers if a.status_code == 409} == {"conversation_busy"}
    (won,) = (a.json() for a in answers if a.status_code == 200)
    branch = branch_of(client, first)
    assert branch[-1]["id"] == won["message_id"]
    assert branch[-1]["content"] == won["message"]["content"]
    assert {m["status"] for m in branch} == {"complete"}
    assert len(branch) == (4 if branch[-2]["content"].startswith("tab") else 2)

"""Turns that cannot fit are refused before anything of them is stored."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from chat.tests.scripted_engine import delta_event, start_scripted_engine
from chat.tests.streams import error_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import register
from modelops.simulator.process import start_simulator

CONTEXT = 2000
BOUNDS = {"MAX_CONVERSATION_BYTES": "60000", "MAX_ACCOUNT_BYTES": "120000", "REGISTRATION": "true"}


@pytest.fixture(scope="module")
def small(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway whose model has a context of CONTEXT tokens."""
    flags = ("--served-model-name", "simulated", "--max-model-len", str(CONTEXT))
    with (
        start_simulator(*flags, "--sim-first-token-seconds", "0") as engine,
        start_gateway(stores, tmp_path_factory.mktemp("growth"), engine.base_url, **BOUNDS) as gateway,
    ):
        yield gateway


@pytest.fixture
def person(small: GatewayProcess) -> Iterator[httpx.Client]:
    """An account that has stored nothing yet."""
    with register(small).client(small) as client:
        yield client


def chat(client: httpx.Client, content: str, **fields: Any) -> httpx.Response:
    return client.post("/api/chat", json={"content": content, "max_tokens": 2} | fields)


def stored(client: httpx.Client) -> list[dict[str, Any]]:
    """Every message of the active branches."""
    listed = client.get("/api/conversations").json()["data"]
    return [m for c in listed for m in client.get(f"/api/conversations/{c['id']}").json()["messages"]]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ("x" * (16 * CONTEXT + 1), ["32001 bytes", "2000 tokens"]),
        ("word " * (CONTEXT + 20), ["2028 tokens", "2000 tokens"]),
        ("말 " * (CONTEXT + 20), ["tokens", "2000 tokens"]),
    ],
    ids=["by bytes", "counted", "counted in Korean"],
)
def test_prompt_that_cannot_fit_is_refused_with_the_numbers_and_not_stored(
    person: httpx.Client, content: str, numbers: list[str], stream: bool
) -> None:
    answer = chat(person, content, stream=stream)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "context_length_exceeded")
    assert all(number in error_of(answer)["message"] for number in numbers), error_of(answer)["message"]
    assert stored(person) == []


def test_prompt_that_fits_by_its_tokens_is_answered_whatever_its_bytes(person: httpx.Client) -> None:
    answer = chat(person, "word " * (CONTEXT - 50))

    assert answer.status_code == 200
    assert answer.json()["usage"]["prompt_tokens"] <= CONTEXT
    assert len(stored(person)) == 2


def test_conversation_that_reached_the_context_takes_no_further_turn_and_stays_as_it_was(
    person: httpx.Client,
) -> None:
    first = chat(person, "word " * (CONTEXT - 50)).json()
    before = stored(person)

    refused = [chat(person, "word " * 60, conversation_id=first["conversation_id"]) for _ in range(3)]

    assert {(a.status_code, error_of(a)["code"]) for a in refused} == {(400, "context_length_exceeded")}
    assert stored(person) == before


def test_conversation_and_account_are_bounded_in_bytes(person: httpx.Client) -> None:
    def fill() -> tuple[int, str]:
        """How it ends when branch after branch is added to one root; each fits the context by itself."""
        answer = chat(person, "root")
        root: dict[str, Any] = {}
        while answer.status_code == 200:
            root = root or answer.json()
            place = {"conversation_id": root["conversation_id"], "parent_id": root["message_id"]}
            answer = chat(person, "x" * 1500, **place)
        return answer.status_code, error_of(answer)["code"]

    ends = [fill() for _ in range(3)]

    refused = person.post("/api/conversations", json={"system_prompt": "x" * 20_000})
    assert ends[0] == (409, "conversation_full")
    assert ends[-1] == (409, "storage_full")
    assert (refused.status_code, error_of(refused)["code"]) == (409, "storage_full")


@pytest.mark.parametrize(
    "change",
    [
        {"content": "two"},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"max_tokens": 3},
        {"stop": ["x"]},
        {"seed": 1},
        {"model": "simulated"},
        {"messages": [{"role": "user", "content": "one"}], "content": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_same_client_message_id_that_asks_for_something_else_is_refused(
    person: httpx.Client, change: dict[str, Any]
) -> None:
    message_id = uuid.uuid4().hex
    first = chat(person, "one", client_message_id=message_id).raise_for_status().json()

    answer = person.post(
        "/api/chat",
        json={"content": "one", "max_tokens": 2, "client_message_id": message_id} | change,
    )

    assert (answer.status_code, error_of(answer)["code"]) == (409, "client_message_id_reused")
    assert answer.headers["x-should-retry"] == "false"
    assert len(stored(person)) == 2
    same = chat(person, "one", client_message_id=message_id, on_disconnect="cancel").json()
    assert same["message_id"] == first["message_id"]


def test_engine_that_cannot_count_judges_the_prompt_itself(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        start_scripted_engine() as engine,
        start_gateway(stores, tmp_path_factory.mktemp("uncounted"), engine.url) as gateway,
        gateway.client() as client,
    ):
        engine.body = delta_event("Hi!", finish_reason="stop") + b"data: [DONE]\n\n"
        wait_until(asker(client, "hello"), what="the engine to be known")
        asked_before = len(engine.received)

        answer = chat(client, "x" * 5000)

        assert answer.json()["message"]["content"] == "Hi!"
        assert [shape(body) for body in engine.received[asked_before:]] == ["counted", "asked"]


def asker(client: httpx.Client, content: str) -> Callable[[], bool]:
    return lambda: chat(client, content).status_code == 200


def shape(body: dict[str, Any]) -> str:
    return "asked" if body.get("stream") else "counted"


def test_turn_whose_joined_messages_just_do_not_surely_fit_is_stored(person: httpx.Client) -> None:
    said = ["a" * 864, "b" * 864]  # with the template 2,000; joined by two line ends, 2,002
    messages = [{"role": "user", "content": text} for text in said]

    answer = person.post("/api/chat", json={"messages": messages, "max_tokens": 2})

    assert answer.status_code == 200
    assert [m["content"] for m in stored(person)][:2] == said
    assert stored(person)[-1]["id"] == answer.headers["x-message-id"]

"""Limits of the chat plane, as clients meet them, with the simulated engine's real figures."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import httpx
import httpx2
import openai as openai_sdk
import pytest

from chat.tests.streams import error_of, read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import AdminPages, Person, admin_pages, register
from modelops.simulator.process import start_simulator

TOKENS, REQUESTS = 400, 300
SHORT = {"content": "hello", "max_tokens": 3, "store": False}
HEADERS = {f"x-ratelimit-{a}-{b}" for a in ("limit", "remaining", "reset") for b in ("requests", "tokens")}


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with start_simulator("--served-model-name", "simulated", "--sim-tokens-per-second", "20") as engine:
        yield engine.base_url


@pytest.fixture(scope="module")
def limited(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: str
) -> Iterator[GatewayProcess]:
    settings = {
        "REGISTRATION": "true",
        "RATE_LIMIT_REQUESTS": str(REQUESTS),
        "RATE_LIMIT_WINDOW": "3600",
        "TOKEN_LIMIT": str(TOKENS),
        "TOKEN_WINDOW": "3600",
        "MAX_CONCURRENT_STREAMS": "2",
    }
    with start_gateway(stores, tmp_path_factory.mktemp("limited"), engine, **settings) as gateway:
        yield gateway


@pytest.fixture
def person(limited: GatewayProcess) -> Person:
    return register(limited)


@pytest.fixture
def client(limited: GatewayProcess, person: Person) -> Iterator[httpx.Client]:
    with person.client(limited) as client:
        yield client


@pytest.fixture(scope="module")
def pages(limited: GatewayProcess) -> Iterator[AdminPages]:
    with admin_pages(limited) as pages:
        yield pages


def chat(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/api/chat", json=SHORT | fields)


def left(answer: httpx.Response, kind: str) -> int:
    return int(answer.headers[f"x-ratelimit-remaining-{kind}"])


def test_every_answer_says_what_is_left_also_an_error(client: httpx.Client) -> None:
    messages = [{"role": "user", "content": "x"}]
    answers = [
        chat(client),
        client.post("/v1/chat/completions", json={"model": "current", "messages": messages, "max_tokens": 2}),
        chat(client, model="nobody-serves-this"),
        chat(client, temperature=99),
        client.post("/api/chat", content=b"{"),
    ]
    stream = read_stream(client, "/api/chat", SHORT)

    assert [answer.status_code for answer in answers] == [200, 200, 404, 400, 400]
    for headers in (*(answer.headers for answer in answers), stream.headers):
        assert set(headers) >= HEADERS
        assert headers["x-ratelimit-limit-requests"] == str(REQUESTS)
        assert re.fullmatch(r"1h0m0s|\d+m\d+s", headers["x-ratelimit-reset-requests"])
    assert [left(answer, "requests") for answer in answers] == [299, 298, 297, 296, 295]


def test_request_past_the_limit_is_refused_and_told_when_to_come_back(client: httpx.Client) -> None:
    statuses = [chat(client, temperature=99).status_code for _ in range(REQUESTS)]

    refused = chat(client)

    assert statuses == [400] * REQUESTS
    assert refused.status_code == 429
    assert error_of(refused)["code"] == "rate_limit_exceeded"
    assert refused.headers["retry-after"] == "60"
    assert set(refused.headers) >= HEADERS
    assert left(refused, "requests") == 0


def test_answers_cost_the_tokens_that_the_engine_counted(client: httpx.Client) -> None:
    first = chat(client)
    streamed = read_stream(client, "/v1/chat/completions", openai(max_tokens=4))
    plain = client.post("/v1/chat/completions", json=openai(max_tokens=5))
    last = chat(client)

    # A stream without include_usage does not say: the simulator's prompts cost the same either way.
    assert streamed.usage is None
    streamed_tokens = plain.json()["usage"]["prompt_tokens"] + 4
    spent = total(first) + streamed_tokens + total(plain)
    assert (left(first, "tokens"), left(last, "tokens")) == (TOKENS, TOKENS - spent)


def openai(**fields: Any) -> dict[str, Any]:
    return {"model": "current", "messages": [{"role": "user", "content": "hello"}]} | fields


def total(answer: httpx.Response) -> int:
    usage = answer.raise_for_status().json()["usage"]
    return int(usage["prompt_tokens"] + usage["completion_tokens"])


def test_used_up_tokens_are_an_insufficient_quota(
    client: httpx.Client, person: Person, pages: AdminPages
) -> None:
    pages.set_limit(subject="user", user=person.id, kind="tokens", value=5, window_s=3600)
    wait_until(lambda: chat(client, temperature=99).headers["x-ratelimit-limit-tokens"] == "5")
    chat(client).raise_for_status()

    refused = chat(client)

    assert refused.status_code == 429
    assert error_of(refused)["code"] == error_of(refused)["type"] == "insufficient_quota"
    assert refused.headers["x-should-retry"] == "false"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert left(refused, "tokens") == 0


def test_answer_that_was_stopped_costs_what_is_known_of_it(
    client: httpx.Client, limited: GatewayProcess
) -> None:
    """Without the engine's count: about the prompt's bytes, and each piece that came."""
    with client.stream("POST", "/api/chat", json={"content": "Long story", "stream": True}) as response:
        lines = (line for line in response.iter_lines() if '"content"' in line)
        for _ in range(4):
            next(lines)
        ids = response.headers["x-conversation-id"], response.headers["x-message-id"]
        client.post(f"/api/conversations/{ids[0]}/messages/{ids[1]}/cancel").raise_for_status()

    log = wait_until(lambda: [e for e in limited.log_events("request") if "estimated_tokens" in e])
    spent = TOKENS - left(chat(client), "tokens")
    assert spent == log[-1]["estimated_tokens"]
    assert 10 < spent < 100


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_answer_that_its_reader_left_is_charged(
    client: httpx.Client, limited: GatewayProcess, is_stream: bool
) -> None:
    """For the prompt, and for about what the engine generated by then: here 20 tokens a second."""
    seen = len(estimates(limited))
    chat(client, max_tokens=8).raise_for_status()
    before = left(chat(client, temperature=99), "tokens")
    body = openai(max_tokens=300, min_tokens=300, stream=is_stream)

    with (
        nullcontext() if is_stream else pytest.raises(httpx.ReadTimeout),
        client.stream("POST", "/v1/chat/completions", json=body, timeout=1.5) as response,
    ):
        for number, _line in enumerate(response.iter_lines()):
            if number > 30:
                break

    [estimate] = wait_until(lambda: estimates(limited)[seen:], what="the answer to be settled")
    assert before - left(chat(client), "tokens") == estimate
    assert 20 + 10 < estimate < 20 + 80


def estimates(gateway: GatewayProcess) -> list[int]:
    """What the answers cost whose tokens the engine did not count."""
    return [e["estimated_tokens"] for e in gateway.log_events("request") if "estimated_tokens" in e]


def test_repeat_that_is_answered_from_the_record_costs_no_tokens(client: httpx.Client) -> None:
    body = {"content": "hello", "max_tokens": 3, "client_message_id": str(uuid.uuid4())}

    first, again = (client.post("/api/chat", json=body) for _ in range(2))
    after = chat(client)

    assert again.json()["message"] == first.json()["message"]
    assert left(again, "tokens") == left(after, "tokens") == TOKENS - total(first)


def test_only_so_many_answers_at_a_time(client: httpx.Client) -> None:
    body = {"content": "Long story", "stream": True, "store": False}
    with client.stream("POST", "/api/chat", json=body), client.stream("POST", "/api/chat", json=body):
        refused = chat(client)

    assert refused.status_code == 429
    assert error_of(refused)["code"] == "concurrency_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    wait_until(lambda: chat(client).status_code == 200, what="the readers that left to free their places")


def test_place_is_free_as_soon_as_the_answer_is_there(client: httpx.Client) -> None:
    """Two at a time are allowed: whoever asks one after the other never meets the limit."""

    def ask_in_turn(_worker: int) -> list[int]:
        return [chat(client, max_tokens=1).status_code for _ in range(5)]

    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(ask_in_turn, range(2)))

    assert statuses == [[200] * 5] * 2


def test_failures_and_refusals_take_no_place_for_good(client: httpx.Client) -> None:
    statuses = [
        chat(client, model="nobody-serves-this").status_code,
        chat(client, temperature=99).status_code,
        chat(client, conversation_id=str(uuid.uuid4()), store=True).status_code,
    ]

    assert statuses == [404, 400, 404]
    assert chat(client).status_code == 200


def new_key(client: httpx.Client, **fields: Any) -> tuple[str, dict[str, str]]:
    body = {"name": "test", "scopes": ["chat"]} | fields
    row = client.post("/api/keys", json=body).raise_for_status().json()
    return row["id"], {"Authorization": f"Bearer {row['key']}"}


def test_limit_of_a_key_comes_on_top_of_its_accounts(client: httpx.Client, pages: AdminPages) -> None:
    key_id, key = new_key(client)
    pages.set_limit(subject="key", api_key=key_id, kind="requests", value=3, window_s=3600)

    def ask() -> httpx.Response:
        return client.post("/api/chat", json=SHORT | {"temperature": 99}, headers=key)

    wait_until(lambda: ask().headers["x-ratelimit-limit-requests"] == "3", what="the limit to be known")
    wait_until(lambda: ask().status_code == 429)

    assert chat(client).status_code == 200


def test_key_for_another_model_neither_chats_nor_sees_this_one(client: httpx.Client) -> None:
    _id, other = new_key(client, models=["some-other-model"])
    _id, this = new_key(client, models=["simulated"])

    refused = client.post("/api/chat", json=SHORT, headers=other)

    assert refused.status_code == 403
    assert error_of(refused)["param"] == "model"
    assert client.get("/v1/models", headers=other).json()["data"] == []
    assert client.get("/v1/models/simulated", headers=other).status_code == 404
    assert client.post("/api/chat", json=SHORT, headers=this).status_code == 200
    names = [card["id"] for card in client.get("/v1/models", headers=this).json()["data"]]
    assert names == ["simulated", "current"]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("chat", {"models", "cancel"}), ("models:read", {"models", "events"}), ("history", set())],
)
def test_scopes_open_what_they_are_for(client: httpx.Client, scope: str, allowed: set[str]) -> None:
    _id, key = new_key(client, scopes=[scope])
    cancel = f"/api/conversations/{uuid.uuid4()}/messages/{uuid.uuid4()}/cancel"
    with client.stream("GET", "/api/models/events", headers=key) as events:
        statuses = {
            "models": client.get("/v1/models", headers=key).status_code,
            "cancel": client.post(cancel, headers=key).status_code,
            "events": events.status_code,
        }

    assert {name for name, status in statuses.items() if status != 403} == allowed


def test_use_of_today_is_shown_to_its_account(client: httpx.Client) -> None:
    answers = [chat(client) for _ in range(2)]

    def today() -> dict[str, int] | None:
        usage: dict[str, int] = client.get("/api/auth/me").json()["usage_today"]
        return usage if usage["requests"] == 2 else None

    usage = wait_until(today, what="the use to be on record")
    assert usage["prompt_tokens"] + usage["completion_tokens"] == sum(total(a) for a in answers)


async def test_fifty_calls_of_an_sdk_at_a_time_all_get_through_eight_places(
    limited: GatewayProcess, person: Person, pages: AdminPages
) -> None:
    """OpenAI's SDK tries three times, and comes back when Retry-After says."""
    pages.set_limit(subject="user", user=person.id, kind="streams", value=8)
    pages.set_limit(subject="user", user=person.id, kind="tokens", value=10**6, window_s=3600)
    with person.client(limited) as client:
        wait_until(lambda: chat(client, temperature=99).headers["x-ratelimit-limit-tokens"] == str(10**6))
    statuses: list[int] = []

    async def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    sdk = openai_sdk.AsyncOpenAI(
        base_url=f"{limited.url}/v1",
        api_key=person.token,
        max_retries=2,
        http_client=openai_sdk.DefaultAsyncHttpxClient(event_hooks={"response": [note]}),
    )
    async with sdk:
        asked = [sdk.chat.completions.create(**openai(max_tokens=4)) for _ in range(50)]
        answers = await asyncio.gather(*asked)

    assert all(answer.choices[0].message.content for answer in answers)
    assert statuses.count(200) == 50
    assert statuses.count(429) >= 42


def test_limits_that_administrators_remove_give_way_to_the_settings(
    client: httpx.Client, pages: AdminPages
) -> None:
    pages.set_limit(subject="default", kind="requests", value=1000, window_s=60)
    wait_until(lambda: chat(client, temperature=99).headers["x-ratelimit-limit-requests"] == "1000")

    pages.remove_limits()

    wait_until(lambda: chat(client, temperature=99).headers["x-ratelimit-limit-requests"] == str(REQUESTS))


def test_bad_credentials_from_one_address_are_limited_whatever_headers_are_forged(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: str
) -> None:
    settings = {"ADDRESS_RATE": "4/h", "TRUSTED_PROXY_HOPS": "1"}
    with start_gateway(stores, tmp_path_factory.mktemp("strangers"), engine, **settings) as gateway:
        good = gateway.token()

        def ask(credential: str, seen: str, number: int) -> int:
            headers = {
                "Authorization": f"Bearer {credential}",
                "X-Forwarded-For": f"192.0.2.{number}, {seen}",
                "X-Real-IP": f"192.0.2.{number}",
            }
            path = ("/api/chat", "/v1/chat/completions", "/v1/models")[number % 3]
            method = "GET" if path == "/v1/models" else "POST"
            return httpx.request(method, gateway.url + path, headers=headers).status_code

        codes = [ask("nonsense", "203.0.113.1", n) for n in range(6)]

        assert codes == [401] * 4 + [429] * 2
        assert ask("nonsense", "203.0.113.2", 0) == 401
        assert ask(good, "203.0.113.1", 2) == 200

"""What answers leave in the usage of their users, through the whole gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from chat.tests.streams import read_stream
from chat.tests.switching import FakeSwitcher, database_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import register
from modelops.simulator.process import start_simulator


def report(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get("/api/usage", params=query).raise_for_status().json()["data"]
    return rows


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with start_simulator("--served-model-name", "a", "--sim-tokens-per-second", "100") as engine:
        yield engine.base_url


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("usage"), "", REGISTRATION="true") as gateway:
        yield gateway


@pytest.fixture
def person(web: GatewayProcess, engine: str, django_db_blocker: DjangoDbBlocker) -> Iterator[httpx.Client]:
    """Somebody who is charged 2 for a million prompt tokens and 10 for a million of answers."""
    prices = {"cost_per_million_prompt_tokens": 2.0, "cost_per_million_completion_tokens": 10}
    with database_of(web, django_db_blocker):
        FakeSwitcher.open(web, engine, engine, spec=prices, names=["alias"])
    with register(web).client(web) as client:
        yield client


def test_every_answer_is_counted_at_its_price(person: httpx.Client) -> None:
    issued = person.post("/api/keys", json={"name": "laptop", "scopes": ["chat"]}).raise_for_status().json()
    key = {"Authorization": f"Bearer {issued['key']}"}
    body = {"model": "alias", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}

    whole = person.post("/api/chat", json={"content": "hello", "max_tokens": 4}).raise_for_status().json()
    read_stream(person, "/v1/chat/completions", body)
    passed = person.post("/v1/chat/completions", json=body, headers=key).raise_for_status().json()
    refused = person.post("/api/chat", json={"content": "hello", "temperature": 99})
    rows = wait_until(
        lambda: (found := report(person, group_by="endpoint,key,model")) and len(found) == 4 and found,
        what="the use to be on record",
    )

    assert refused.status_code == 400
    nothing, chat, *openai = rows
    of_key = next(row for row in openai if row["key_id"])
    streamed = next(row for row in openai if not row["key_id"])
    assert (nothing["endpoint"], nothing["model"], nothing["failed"]) == ("", "", 1)
    assert (chat["endpoint"], of_key["endpoint"]) == ("/api/chat", "/v1/chat/completions")
    assert {chat["model"], of_key["model"], streamed["model"]} == {"a"}
    assert issued["id"] == of_key["key_id"]
    for row, usage in ((chat, whole["usage"]), (of_key, passed["usage"])):
        prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
        assert (row["prompt_tokens"], row["completion_tokens"]) == (prompt, completion)
        assert row["cost"] == pytest.approx((2 * prompt + 10 * completion) / 1_000_000)
        assert (row["failed"], row["cancelled"], row["estimated_tokens"]) == (0, 0, 0)
        assert row["mean_latency_ms"] > 0
    assert (chat["mean_ttft_ms"] > 0, streamed["mean_ttft_ms"] > 0, of_key["mean_ttft_ms"]) == (
        True,
        True,
        None,
    )


def test_answer_that_its_reader_left_is_a_cancelled_one_with_estimates(person: httpx.Client) -> None:
    body = {
        "model": "a",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "min_tokens": 90,
    }

    with person.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_bytes())
    (row,) = wait_until(lambda: report(person, group_by="model"), what="the use to be on record")

    assert (row["model"], row["requests"], row["cancelled"], row["failed"]) == ("a", 1, 1, 0)
    assert row["estimated_tokens"] == row["total_tokens"] > 0
    assert row["mean_latency_ms"] is None
    assert row["cost"] > 0

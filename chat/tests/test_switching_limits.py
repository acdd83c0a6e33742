"""The bounds of waiting, and the limits that a profile sets, on a real web process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from chat.tests.streams import error_of
from chat.tests.switching import (
    MESSAGES,
    PLAIN,
    FakeSwitcher,
    callers_of,
    database_of,
    running_on,
    stored_answer,
)
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.domain.switching.states import SwitchState
from modelops.models import Gate
from modelops.tests.serving.slot_rows import move_gate


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway where nobody waits for long, and two at most."""
    with start_gateway(
        stores,
        tmp_path_factory.mktemp("impatient"),
        "",
        PING_INTERVAL="0.1",
        SWITCH_WAIT="0.4",
        SWITCH_STREAM_WAIT="0.8",
        SWITCH_QUEUE_SIZE="2",
        GENERATION_TIMEOUT="30",
    ) as gateway:
        yield gateway


@pytest.fixture
def switcher(
    web: GatewayProcess, engines: tuple[str, str], django_db_blocker: DjangoDbBlocker
) -> Iterator[FakeSwitcher]:
    with database_of(web, django_db_blocker):
        yield FakeSwitcher.open(web, *engines, spec={"max_output_tokens": 5, "max_concurrent_requests": 2})


def test_a_plain_request_waits_for_its_time_and_is_refused_with_when_to_come_back(
    switcher: FakeSwitcher,
) -> None:
    switcher.begin()
    with callers_of(switcher.gateway) as callers:
        refused = callers.ask().result(20)
        newest = callers.client.get("/api/conversations", params={"limit": 1}).json()["first_id"]
        stored = stored_answer(callers.client, newest)

    assert refused.status_code == 503
    assert error_of(refused)["code"] == "model_switching"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (stored["status"], stored["error_code"]) == ("error", "model_switching")


def test_a_stream_is_kept_company_and_ends_with_one_error_event(switcher: FakeSwitcher) -> None:
    switcher.begin()
    with callers_of(switcher.gateway) as callers:
        reply = callers.stream("/v1/chat/completions").result(20)

    assert (reply.status, reply.is_done) == (200, True)
    assert reply.comments >= 1
    assert [error["code"] for error in reply.errors] == ["model_switching"]
    assert reply.text == ""


def test_a_full_waiting_room_refuses_before_anything_is_recorded(switcher: FakeSwitcher) -> None:
    switcher.begin()
    with callers_of(switcher.gateway) as callers:
        waiting = [callers.stream("/v1/chat/completions") for _ in range(2)]
        switcher.await_counts(waiting=2)
        before = callers.client.get("/api/conversations").json()["first_id"]
        refused = callers.client.post("/api/chat", json=PLAIN)
        after = callers.client.get("/api/conversations").json()["first_id"]
        for stream in waiting:
            stream.result(20)

    assert (refused.status_code, error_of(refused)["code"]) == (503, "model_switching")
    assert before == after


def test_the_first_model_is_waited_for_as_one_that_loads(switcher: FakeSwitcher) -> None:
    switcher.finish(switcher.begin(), on=switcher.b)
    move_gate(switcher.slot, Gate.CLOSED, active_engine=None)
    switcher.a.profile = ""
    switcher.begin(SwitchState.LOADING)
    with callers_of(switcher.gateway) as callers:
        refused = callers.ask().result(20)
        health = httpx.get(f"{switcher.gateway.url}/health").json()["services"]["vllm"]

    assert (refused.status_code, error_of(refused)["code"]) == (503, "model_loading")
    assert health["status"] == "loading"


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_the_profiles_output_limit_holds(switcher: FakeSwitcher, path: str) -> None:
    body = {"content": "x"} if path == "/api/chat" else {**MESSAGES, "model": "a"}
    with callers_of(switcher.gateway) as callers:
        before = callers.client.get("/api/conversations").json()["first_id"]
        refused = callers.client.post(path, json={**body, "max_tokens": 6})
        recorded = callers.client.get("/api/conversations").json()["first_id"]
        unsaid = callers.client.post(path, json=body)
        less = callers.client.post(path, json={**body, "max_tokens": 2})

    assert refused.status_code == 400
    assert error_of(refused)["param"] == "max_tokens"
    assert before == recorded
    assert [a.json()["usage"]["completion_tokens"] for a in (unsaid, less)] == [5, 2]


def test_the_profiles_limit_of_requests_holds(switcher: FakeSwitcher) -> None:
    with callers_of(switcher.gateway) as callers:
        slow: dict[str, Any] = {"max_tokens": 5, "vllm_xargs": {"sim_tokens_per_second": 1}}
        running = [callers.stream("/v1/chat/completions", **slow) for _ in range(2)]
        wait_until(lambda: running_on(switcher.a.base_url) == 2, what="both to run")
        third = callers.ask().result(20)
        for stream in running:
            assert stream.result(20).is_done

    assert third.status_code == 429
    assert error_of(third)["code"] == "rate_limit_exceeded"

"""Requests while the model is switched, on a real web process."""

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
    Callers,
    FakeSwitcher,
    callers_of,
    database_of,
    running_on,
    stored_answer,
)
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Gate, WebPresence
from modelops.simulator.process import start_simulator
from modelops.tests.serving.slot_rows import move_gate, move_switch

LONG: dict[str, Any] = {"max_tokens": 400}


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with start_gateway(
        stores, tmp_path_factory.mktemp("gate"), "", PING_INTERVAL="0.1", UPSTREAM_FIRST_BYTE_TIMEOUT="3"
    ) as gateway:
        yield gateway


@pytest.fixture
def switcher(
    web: GatewayProcess, engines: tuple[str, str], django_db_blocker: DjangoDbBlocker
) -> Iterator[FakeSwitcher]:
    with database_of(web, django_db_blocker):
        yield FakeSwitcher.open(web, *engines)


@pytest.fixture
def callers(web: GatewayProcess) -> Iterator[Callers]:
    with callers_of(web) as asking:
        yield asking


def test_requests_wait_during_a_switch_and_are_answered_by_the_new_engine(
    switcher: FakeSwitcher, callers: Callers
) -> None:
    switch = switcher.begin()
    plain = [callers.ask() for _ in range(4)]
    streams = [callers.stream(max_tokens=3) for _ in range(4)]
    by_name = callers.stream("/v1/chat/completions", "b", max_tokens=3)
    switcher.await_counts(open=0, waiting=9)

    switcher.stop_old(switch)
    switcher.await_epoch()
    switcher.finish(switch, on=switcher.b)

    answers = [future.result(20) for future in plain]
    assert [(answer.status_code, answer.json()["model"]) for answer in answers] == [(200, "b")] * 4
    replies = [future.result(20) for future in (*streams, by_name)]
    for reply in replies:
        assert (reply.status, reply.is_done, reply.errors) == (200, True, [])
        assert {event["model"] for event in reply.events} == {"b"}
    for conversation_id in (answers[0].json()["conversation_id"], replies[0].headers["x-conversation-id"]):
        stored = stored_answer(callers.client, conversation_id)
        assert (stored["model"], stored["status"]) == ("b", "complete")


def test_a_running_answer_counts_as_open_until_its_end_also_without_its_client(
    switcher: FakeSwitcher, callers: Callers
) -> None:
    with callers.client.stream(
        "POST", "/api/chat", json={**PLAIN, "max_tokens": 20, "stream": True}
    ) as reply:
        next(reply.iter_lines())
        switch = switcher.begin()
        opened = switcher.counts["open"]

    after_leaving = switcher.counts["open"]
    switcher.await_counts(open=0)
    stored = stored_answer(callers.client, reply.headers["x-conversation-id"])
    switcher.finish(switch, on=switcher.b)

    assert (opened, after_leaving) == (1, 1)
    assert stored["usage"]["completion_tokens"] == 20


def test_the_replaced_models_name_is_refused_at_once_with_the_time_to_try_again(
    switcher: FakeSwitcher, callers: Callers
) -> None:
    switch = switcher.begin()

    refused = callers.client.post("/v1/chat/completions", json={**MESSAGES, "model": "a"})
    switcher.finish(switch, on=switcher.a, state=SwitchState.ROLLED_BACK)

    assert refused.status_code == 503
    assert error_of(refused)["code"] == "model_switching"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_after_a_roll_back_the_old_engine_answers_and_the_new_name_is_not_found(
    switcher: FakeSwitcher, callers: Callers
) -> None:
    switch = switcher.begin()
    current, by_name = callers.ask(), callers.ask("b")
    switcher.await_counts(waiting=2)
    switcher.stop_old(switch)
    switcher.await_epoch()

    switcher.finish(switch, on=switcher.a, state=SwitchState.ROLLED_BACK)

    assert current.result(20).json()["model"] == "a"
    assert by_name.result(20).status_code == 404
    assert error_of(by_name.result())["code"] == "model_not_found"
    assert "Served now: a" in error_of(by_name.result())["message"]


def test_the_engines_time_begins_when_the_wait_ends(switcher: FakeSwitcher, callers: Callers) -> None:
    switch = switcher.begin()
    waiting = callers.ask()
    switcher.await_counts(waiting=1)

    with start_simulator("--served-model-name", "b", "--sim-fault", "hang_first_token") as hanging:
        Engine.objects.filter(pk=switcher.b.pk).update(base_url=hanging.base_url)
        switcher.finish(switch, on=switcher.b)
        # Long before SWITCH_WAIT would have been over.
        refused = waiting.result(15)

    assert (refused.status_code, error_of(refused)["code"]) == (504, "upstream_timeout")


def test_who_leaves_the_waiting_room_is_gone_at_once(switcher: FakeSwitcher, callers: Callers) -> None:
    switch = switcher.begin()
    with callers.client.stream("POST", "/api/chat", json={**PLAIN, "stream": True}) as reply:
        switcher.await_counts(waiting=1)
        conversation_id = reply.headers["x-conversation-id"]

    switcher.await_counts(waiting=0)
    stored = wait_until(
        lambda: (found := stored_answer(callers.client, conversation_id))["status"] != "streaming" and found,
        what="the answer to be closed",
    )
    switcher.finish(switch, on=switcher.b)

    assert (stored["status"], stored["content"]) == ("cancelled", "")


def test_the_stop_button_works_in_the_waiting_room(switcher: FakeSwitcher, callers: Callers) -> None:
    switch = switcher.begin()
    waiting = callers.stream()
    switcher.await_counts(waiting=1)
    newest = callers.client.get("/api/conversations", params={"limit": 1}).json()["first_id"]
    message_id = stored_answer(callers.client, newest)["id"]

    stopped = callers.client.post(f"/api/conversations/{newest}/messages/{message_id}/cancel")
    reply = waiting.result(20)
    switcher.finish(switch, on=switcher.b)

    assert stopped.status_code == 202
    assert (reply.is_done, reply.errors) == (True, [])
    assert stored_answer(callers.client, newest)["status"] == "cancelled"


def test_cut_ends_running_answers_with_one_error_event_and_keeps_their_text(
    switcher: FakeSwitcher, callers: Callers
) -> None:
    streams = [callers.stream(**LONG), callers.stream("/v1/chat/completions", **LONG)]
    plain = callers.ask(**LONG)
    wait_until(lambda: running_on(switcher.a.base_url) == 3, what="three answers on the engine")
    switch = switcher.begin()
    assert switcher.counts["open"] == 3

    move_gate(switcher.slot, Gate.CUT)
    switcher.await_counts(open=0)
    replies = [stream.result(20) for stream in streams]
    refused = plain.result(20)
    switcher.finish(switch, on=switcher.b)

    for reply in replies:
        assert reply.is_done
        assert [error["code"] for error in reply.errors] == ["model_switching"]
        assert "the operator switched to `b`" in reply.errors[0]["message"]
        assert reply.text
    assert (refused.status_code, error_of(refused)["code"]) == (503, "model_switching")
    stored = stored_answer(callers.client, replies[0].headers["x-conversation-id"])
    assert (stored["status"], stored["error_code"]) == ("error", "model_switching")
    assert stored["content"] == replies[0].text
    assert running_on(switcher.a.base_url) == 0


def test_probes_and_models_follow_the_switch(switcher: FakeSwitcher, callers: Callers) -> None:
    def health() -> dict[str, Any]:
        vllm: dict[str, Any] = httpx.get(f"{switcher.gateway.url}/health").json()["services"]["vllm"]
        return vllm

    def await_status(status: str) -> None:
        wait_until(lambda: health()["status"] == status, what=f"the engine to be {status}")

    def served() -> list[str]:
        return [card["id"] for card in callers.client.get("/v1/models").json()["data"]]

    await_status("ready")
    wait_until(lambda: health()["latency_ms"], what="the engine to have been asked")
    assert served() == ["a", "current"]

    switch = switcher.begin()
    assert health()["status"] == "switching"
    switcher.stop_old(switch)
    switcher.await_epoch()
    assert (health()["status"], served()) == ("switching", [])
    assert httpx.get(f"{switcher.gateway.url}/health/ready").json()["model"]["state"] == "switching"

    move_switch(switch, SwitchState.DEGRADED)
    move_gate(switcher.slot, Gate.OPEN, problem={"code": "no_disk", "message": "The disk is full."})
    await_status("degraded")
    refused = callers.client.post("/api/chat", json=PLAIN)
    assert (refused.status_code, error_of(refused)["code"]) == (503, "no_model")
    assert "The disk is full." in error_of(refused)["message"]


def test_a_killed_web_process_ages_and_its_successor_knows_the_slot(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
    engines: tuple[str, str],
    django_db_blocker: DjangoDbBlocker,
) -> None:
    with (
        start_gateway(stores, tmp_path_factory.mktemp("killed"), "") as gateway,
        database_of(gateway, django_db_blocker),
    ):
        switcher = FakeSwitcher.open(gateway, *engines)
        old = WebPresence.objects.get()
        switch = switcher.begin()

        gateway.kill()
        killed_at = WebPresence.objects.get().seen_at
        gateway.start()
        wait_until(lambda: WebPresence.objects.count() == 2, what="the new process to be there")
        switcher.await_counts(epoch=switcher.slot.epoch, open=0)
        with callers_of(gateway) as callers:
            waiting = callers.ask()
            switcher.await_counts(waiting=1)
            switcher.finish(switch, on=switcher.b)
            answered = waiting.result(20).json()
        assert WebPresence.objects.get(pk=old.pk).seen_at == killed_at
        gateway.stop()

        assert answered["model"] == "b"
        assert [row.pk for row in WebPresence.objects.all()] == [old.pk]

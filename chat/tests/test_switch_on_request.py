"""SWITCH_ON_REQUEST: a chat request for another profile that switches to it, where its caller may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import AuditEvent
from chat.tests.streams import error_of
from chat.tests.switching import PLAIN, FakeSwitcher, callers_of, database_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Gate, ModelProfile, Switch
from modelops.simulator.process import start_simulator
from modelops.tests.fit_rows import record, save_large, save_simulated
from modelops.tests.serving.slot_rows import move_gate, move_switch
from modelops.tests.switch_rows import announce_switcher


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with start_gateway(
        stores, tmp_path_factory.mktemp("request"), "", SWITCH_ON_REQUEST="admin", SWITCH_MINIMUM_ACTIVE="600"
    ) as gateway:
        yield gateway


@pytest.fixture
def switcher(web: GatewayProcess, django_db_blocker: DjangoDbBlocker) -> Iterator[FakeSwitcher]:
    """A serves, and B is a profile that a switcher could switch to."""
    with (
        start_simulator("--served-model-name", "a") as engine_a,
        start_simulator("--served-model-name", "b") as engine_b,
        database_of(web, django_db_blocker),
    ):
        ModelProfile.objects.all().delete()
        announce_switcher()
        save_simulated("a")
        save_simulated("b")
        opened = FakeSwitcher.open(web, engine_a.base_url, engine_b.base_url)
        Engine.objects.filter(pk=opened.a.pk).update(ready_at=None)
        wait_until(lambda: knows_profile(web, "b"), what="the names of the profiles to be read")
        yield opened


def knows_profile(web: GatewayProcess, name: str) -> bool:
    with web.client() as client:
        refused = client.post("/api/chat", json={**PLAIN, "model": name})
    return "is not active" in error_of(refused)["message"]


def await_switch() -> Switch:
    """The switch that a request asked for."""
    switch: Switch = wait_until(Switch.objects.first, what="a switch to be asked for")
    return switch


def carry_out(switcher: FakeSwitcher, switch: Switch) -> None:
    """What a switcher does."""
    move_switch(switch, SwitchState.DRAINING)
    move_gate(switcher.slot, Gate.CLOSED)
    switcher.await_epoch()
    switcher.stop_old(switch)
    switcher.finish(switch, on=switcher.b)


def test_who_may_is_answered_by_the_profile_that_was_asked_for(switcher: FakeSwitcher) -> None:
    with callers_of(switcher.gateway, "admin") as callers:
        waiting = callers.ask("b")
        switch = await_switch()
        carry_out(switcher, switch)
        answer = waiting.result(20)

    recorded = AuditEvent.objects.get(action="switch_requested", target_id=str(switch.pk))
    assert (switch.to_profile, switch.via, switch.actor_name) == ("b", "chat", "admin")
    assert (recorded.actor_name, recorded.via, recorded.address) == ("admin", "chat", "127.0.0.1")
    assert recorded.request_id == answer.headers["x-request-id"]
    assert (answer.status_code, answer.json()["model"]) == (200, "b")


def test_a_second_request_joins_the_switch(switcher: FakeSwitcher) -> None:
    with callers_of(switcher.gateway, "admin") as callers:
        waiting = [callers.ask("b") for _ in range(3)]
        switcher.await_counts(waiting=3)
        switch = await_switch()
        carry_out(switcher, switch)

        assert [future.result(20).json()["model"] for future in waiting] == ["b"] * 3
    assert Switch.objects.count() == 1


def test_who_may_not_is_refused_and_learns_what_is_served(switcher: FakeSwitcher) -> None:
    with callers_of(switcher.gateway) as callers:
        refused = callers.client.post("/api/chat", json={**PLAIN, "model": "b"})

    assert refused.status_code == 404
    assert error_of(refused)["code"] == "model_not_found"
    assert "Served now: a." in error_of(refused)["message"]
    assert not Switch.objects.exists()


def test_a_model_that_has_just_begun_to_serve_is_not_switched_away_from(switcher: FakeSwitcher) -> None:
    Engine.objects.filter(pk=switcher.a.pk).update(ready_at=timezone.now())
    with callers_of(switcher.gateway, "admin") as callers:
        refused = callers.client.post("/api/chat", json={**PLAIN, "model": "b"})

    assert (refused.status_code, error_of(refused)["code"]) == (503, "model_switching")
    assert not Switch.objects.exists()


def test_user_whose_wish_does_not_fit_learns_that_and_no_more(
    stores: Stores, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with (
        start_gateway(stores, tmp_path, "", SWITCH_ON_REQUEST="user") as web,
        database_of(web, django_db_blocker),
        web.client() as client,
    ):
        announce_switcher()
        record()
        save_large(environment={"NCCL_SOCKET_IFNAME": "eth7"})

        def ask() -> httpx.Response | None:
            answer = client.post("/api/chat", json={**PLAIN, "model": "large"})
            return answer if answer.status_code != 404 else None

        refused: httpx.Response = wait_until(ask, what="the profile to be known")

        assert not Switch.objects.exists()
    assert refused.status_code == 409
    assert refused.json() == {
        "error": {
            "message": "The profile does not fit the GPUs.",
            "type": "conflict_error",
            "param": "model",
            "code": "does_not_fit",
        }
    }


def test_a_switch_that_is_given_up_leaves_the_request_with_what_is_served(switcher: FakeSwitcher) -> None:
    with callers_of(switcher.gateway, "admin") as callers:
        waiting = callers.ask("b")
        switch = await_switch()
        move_switch(switch, SwitchState.REJECTED)
        refused = waiting.result(20)

    assert (refused.status_code, error_of(refused)["code"]) == (404, "model_not_found")

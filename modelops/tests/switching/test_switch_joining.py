"""Asking again for what a switch leads to already: what is joined, and what of the second request counts."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import UNTOUCHED_STATES, SwitchState
from modelops.models import Switch, SwitchEvent
from modelops.switching.actor import Actor
from modelops.switching.cancelling import cancel_switch
from modelops.switching.requests import RequestOutcome, request_switch
from modelops.tests.callers import post
from modelops.tests.management.command_runs import run
from modelops.tests.switch_rows import SHELL, ask, begin, make_ready

pytestmark = pytest.mark.django_db

MINA = Actor(Switch.Via.API, name="mina")


def test_same_target_joins_the_switch_under_way() -> None:
    make_ready("first")
    under_way = begin(ask("first"), SwitchState.PLANNED, SwitchState.LOADING)

    requested = request_switch(SwitchRequest("first"), SHELL)

    assert (requested.outcome, requested.switch) == (RequestOutcome.JOINED, under_way)
    assert Switch.objects.count() == 1


def test_same_target_with_another_context_is_another_wish() -> None:
    make_ready("first")
    waiting = ask("first")

    again = ask("first", max_model_len=2048)

    assert again.max_model_len == 2048
    assert again.plan is not None
    assert "2048" in again.plan["arguments"]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.superseded_by) == (SwitchState.CANCELLED, again)


def test_switch_that_is_being_cancelled_is_not_joined() -> None:
    make_ready("first")
    ending = begin(ask("first"), SwitchState.PLANNED)
    cancel_switch(ending.pk, SHELL)

    assert ask("first") != ending


def test_switch_that_is_failing_is_not_joined_and_the_wish_waits_for_its_end() -> None:
    make_ready("first")
    failing = begin(ask("first"), SwitchState.PLANNED, SwitchState.ROLLING_BACK)

    again = request_switch(SwitchRequest("first"), SHELL)

    failing.refresh_from_db()
    assert again.outcome is RequestOutcome.ACCEPTED
    assert again.switch is not None
    assert (again.switch.state, failing.state) == (SwitchState.REQUESTED, SwitchState.ROLLING_BACK)
    assert failing.cancel_requested_at is None


@pytest.mark.parametrize("state", UNTOUCHED_STATES)
def test_who_joins_before_the_old_engine_is_touched_says_how_it_drains(state: SwitchState) -> None:
    make_ready("first")
    under_way = begin(ask("first", drain_timeout_s=600, drain_policy="wait"), state)

    joined = request_switch(
        SwitchRequest("first", drain_timeout_s=5, drain_policy="cut", reason="in a hurry"), MINA
    )

    under_way.refresh_from_db()
    note = under_way.events.get(kind=SwitchEvent.Kind.NOTE)
    assert (joined.switch, joined.taken_over) == (under_way, ("drain_timeout_s", "drain_policy"))
    assert (under_way.drain_timeout_s, under_way.drain_policy, under_way.state) == (5, "cut", state)
    assert note.message == "mina changed how it drains: up to 5 s, then cut"
    assert (note.data["actor"], note.data["reason"]) == ("mina", "in a hurry")


def test_what_is_not_said_or_is_so_already_is_not_taken_over() -> None:
    make_ready("first")
    under_way = ask("first", drain_timeout_s=600, drain_policy="wait")

    joined = request_switch(SwitchRequest("first", drain_policy="wait", reason="me too"), MINA)

    under_way.refresh_from_db()
    assert joined.taken_over == ()
    assert (under_way.drain_timeout_s, under_way.drain_policy) == (600, "wait")
    assert not under_way.events.filter(kind=SwitchEvent.Kind.NOTE).exists()


def test_who_joins_after_the_draining_changes_nothing() -> None:
    make_ready("first")
    under_way = begin(ask("first", drain_timeout_s=600), SwitchState.PLANNED, SwitchState.STOPPING)

    joined = request_switch(SwitchRequest("first", drain_timeout_s=5), MINA)

    under_way.refresh_from_db()
    assert (joined.switch, joined.taken_over) == (under_way, ())
    assert under_way.drain_timeout_s == 600


def test_every_face_says_what_it_changed_of_the_switch_that_was_joined(admin: Client, web: Client) -> None:
    (first,) = make_ready("first")
    ask("first", drain_timeout_s=600, drain_policy="wait")

    by_api = post(admin, "/api/models/switch", {"profile_id": "first", "drain_timeout_s": 50}).json()
    _code, output, _errors = run("switch_model", "first", "--drain-policy", "cut", "--timeout", "0.01")
    form = {"drain_timeout_s": "5", "drain_policy": "abandon"}
    page = web.post(reverse("admin:modelops_modelprofile_switch", args=[first.pk]), form, follow=True)

    assert (by_api["joined"], by_api["taken_over"]) == (True, ["drain_timeout_s"])
    recorded = AuditEvent.objects.filter(action="switch_changed").order_by("pk")
    assert [event.changes for event in recorded] == [
        {"drain_timeout_s": 50},
        {"drain_policy": "cut"},
        {"drain_timeout_s": 5, "drain_policy": "abandon"},
    ]
    assert "It goes by the drain policy asked for now." in output
    assert "It goes by the drain timeout and drain policy asked for now." in page.content.decode()

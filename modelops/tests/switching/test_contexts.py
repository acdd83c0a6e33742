"""A switch that came up with less context than its profile asks for, and keeping that."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent
from gateway.errors import SwitchRefused
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import SwitchState
from modelops.management.switch_commands import describe_end
from modelops.models import ModelProfile, Switch
from modelops.switching.contexts import find_reduced_context, keep_context
from modelops.switching.requests import RequestOutcome, request_switch
from modelops.switching.slots import get_slot
from modelops.tests.management.command_runs import run
from modelops.tests.serving.slot_rows import flip, make_engine
from modelops.tests.switch_rows import SHELL, advance, ask, make_ready, serve

pytestmark = pytest.mark.django_db


def come_up(profile: ModelProfile, *, planned: int | None = 8192, served: int | None = 2048) -> Switch:
    """A switch that its engine ended with `served` tokens of the `planned` ones."""
    switch = ask(profile.slug)
    slot = get_slot()
    engine = make_engine(slot, profile.slug)
    flip(slot, engine)
    plan = {**(switch.plan or {}), "max_model_len": planned}
    advance(switch, SwitchState.ACTIVE, new_engine=engine, max_model_len=served, plan=plan)
    return Switch.objects.select_related("slot").get(pk=switch.pk)


def test_retry_with_less_is_a_reduced_context_that_can_be_kept() -> None:
    (first,) = make_ready("first")

    reduced = find_reduced_context(come_up(first), first)

    assert reduced is not None
    assert (reduced.max_model_len, reduced.wanted) == (2048, 8192)
    assert (reduced.can_be_kept, reduced.is_kept) == (True, False)


@pytest.mark.parametrize("served", [None, 8192])
def test_switch_that_got_what_it_asked_for_is_not_reduced(served: int | None) -> None:
    (first,) = make_ready("first")
    ModelProfile.objects.update(max_model_len=8192)
    first.refresh_from_db()

    assert find_reduced_context(come_up(first, served=served), first) is None


def test_context_is_kept_on_record_and_only_once() -> None:
    (first,) = make_ready("first")
    before, switch = first.max_model_len, come_up(first)

    for _ in range(2):
        keep_context(switch.pk, SHELL)

    first.refresh_from_db()
    kept = find_reduced_context(switch, first)
    assert first.max_model_len == 2048
    assert kept is not None
    assert (kept.can_be_kept, kept.is_kept) == (False, True)
    event = AuditEvent.objects.get(action="modelprofile_changed")
    assert event.changes == {"max_model_len": [before, 2048]}


def test_nothing_is_kept_of_a_switch_that_serves_no_more() -> None:
    first, _second = make_ready("first", "second")
    switch = come_up(first)
    serve("second")

    with pytest.raises(SwitchRefused, match="no context to keep"):
        keep_context(switch.pk, SHELL)

    assert not AuditEvent.objects.filter(action="modelprofile_changed").exists()


def test_rest_keeps_it_for_admins_alone(admin: Client, user: Client) -> None:
    (first,) = make_ready("first")
    switch = come_up(first)
    path = f"/api/models/switches/{switch.pk}"

    told = user.get(path).json()["reduced_context"]
    refused = user.post(f"{path}/keep-context", {}, content_type="application/json")
    kept = admin.post(f"{path}/keep-context", {}, content_type="application/json")

    assert told == {"max_model_len": 2048, "wanted": 8192, "can_be_kept": True, "is_kept": False}
    assert (refused.status_code, kept.status_code) == (403, 200)
    assert kept.json()["reduced_context"]["is_kept"] is True
    first.refresh_from_db()
    assert first.max_model_len == 2048


def test_request_keeps_its_context_when_it_is_accepted_joined_or_needless() -> None:
    (first,) = make_ready("first")

    begun = request_switch(SwitchRequest("first", max_model_len=3072, keep_context=True), SHELL)
    joined = request_switch(SwitchRequest("first", max_model_len=3072, keep_context=True), SHELL)

    first.refresh_from_db()
    assert (begun.outcome, joined.outcome) == (RequestOutcome.ACCEPTED, RequestOutcome.JOINED)
    assert first.max_model_len == 3072
    assert AuditEvent.objects.filter(action="modelprofile_changed").count() == 1


def test_refused_request_keeps_nothing() -> None:
    (first,) = make_ready("first")
    ModelProfile.objects.update(is_enabled=False)
    before = first.max_model_len

    with pytest.raises(SwitchRefused):
        request_switch(SwitchRequest("first", max_model_len=3072, keep_context=True), SHELL)

    first.refresh_from_db()
    assert first.max_model_len == before
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keep-context"], "--keep-context goes with --max-model-len"),
        (["--max-model-len", "5"], "--max-model-len is 16 to"),
    ],
)
def test_command_refuses_a_context_that_cannot_be(arguments: list[str], said: str) -> None:
    make_ready("first")

    code, _output, errors = run("switch_model", "first", *arguments)

    assert code == 2
    assert said in errors
    assert not Switch.objects.exists()


def test_command_asks_with_the_context_and_keeps_it() -> None:
    (first,) = make_ready("first")

    code, _output, _errors = run(
        "switch_model", "first", "--no-wait", "--max-model-len", "3072", "--keep-context"
    )

    first.refresh_from_db()
    assert code == 0
    assert first.max_model_len == 3072
    assert Switch.objects.get().max_model_len == 3072


def test_command_says_that_the_context_is_shorter_and_keeps_it_without_another_start() -> None:
    (first,) = make_ready("first")
    ModelProfile.objects.update(max_model_len=2048)
    engine = serve("first")
    ModelProfile.objects.update(max_model_len=8192)
    switch = advance(ask("first"), SwitchState.ACTIVE, new_engine=engine, max_model_len=2048)

    said = describe_end(switch)
    code, output, _errors = run("switch_model", "first", "--max-model-len", "2048", "--keep-context")

    first.refresh_from_db()
    assert "first is active with a shorter context: 2,048 tokens instead of 8,192." in said
    assert "manage.py switch_model first --max-model-len 2048 --keep-context" in said
    assert (code, first.max_model_len) == (0, 2048)
    assert "first is active already." in output
    assert not Switch.objects.live().exists()


@pytest.mark.parametrize("body", [{"keep_context": True}, {"max_model_len": 5}, {"max_model_len": "many"}])
def test_rest_refuses_a_context_that_cannot_be(admin: Client, body: dict[str, Any]) -> None:
    make_ready("first")

    answer = admin.post(
        "/api/models/switch", {"profile_id": "first", **body}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in ("keep_context", "max_model_len")
    assert not Switch.objects.exists()

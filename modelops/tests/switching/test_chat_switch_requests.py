"""What a chat request may set going, and what it is told: the caller is anybody who may chat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Role, User
from gateway.audit import ChatCaller
from gateway.errors import (
    DoesNotFit,
    GatewayError,
    ModelNotFound,
    ModelSwitching,
    SwitchRefused,
    TaskNotSupported,
)
from modelops.domain.switching.plan import Plan
from modelops.domain.switching.states import FINAL_STATES, LIVE_STATES, SwitchState
from modelops.domain.tasks import ModelTask
from modelops.models import Engine, Switch
from modelops.switching import requests as switch_requests
from modelops.switching.on_chat import request_switch_for_chat
from modelops.switching.planning import plan_switch
from modelops.tests.fit_rows import record, save_large
from modelops.tests.switch_rows import advance, announce_switcher, ask, begin, make_ready, serve

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> User:
    return User.objects.create_user("mina", "mina@example.com", role=Role.USER)


def as_caller(user: User) -> ChatCaller:
    return ChatCaller(user.pk, user.username, address="192.0.2.7", request_id="of-the-chat")


def refuse(caller: User, profile: str, *tasks: ModelTask) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        request_switch_for_chat(profile, as_caller(caller), tasks)
    return caught.value


def serve_for_long(slug: str) -> None:
    engine = serve(slug)
    Engine.objects.filter(pk=engine.pk).update(ready_at=None)


@pytest.mark.parametrize("is_alive", [True, False])
def test_refused_plan_stays_between_the_admins(caller: User, is_alive: bool) -> None:
    save_large(environment={"NCCL_SOCKET_IFNAME": "eth7"})
    announce_switcher(age_s=0 if is_alive else 3600)
    record()

    refused = refuse(caller, "large")

    assert isinstance(refused, DoesNotFit)
    assert (refused.message, refused.param, refused.details) == (DoesNotFit.default_message, "model", {})


def test_profile_that_cannot_be_used_is_refused_without_saying_why(caller: User) -> None:
    make_ready("first")
    announce_switcher(age_s=3600)

    refused = refuse(caller, "first")

    assert isinstance(refused, SwitchRefused)
    assert (refused.message, refused.param) == (SwitchRefused.default_message, "model")
    assert refused.details == {}


def test_profile_that_is_gone_is_no_model(caller: User) -> None:
    refused = refuse(caller, "gone")

    assert isinstance(refused, ModelNotFound)
    assert refused.param == "model"


@pytest.mark.parametrize("state", FINAL_STATES)
def test_no_switch_begins_soon_after_another_however_that_ended(caller: User, state: SwitchState) -> None:
    make_ready("first", "second")
    serve_for_long("first")
    advance(ask("second"), state)

    refused = refuse(caller, "second")

    assert isinstance(refused, ModelSwitching)
    assert refused.headers["Retry-After"] == "60"
    assert Switch.objects.count() == 1


@pytest.mark.parametrize("state", LIVE_STATES)
def test_chat_ends_nobodys_switch(caller: User, state: SwitchState) -> None:
    make_ready("first", "second", "third")
    serve_for_long("first")
    of_admin = begin(ask("second"), state)
    Switch.objects.update(ready_expected_at=timezone.now() + timedelta(seconds=30))

    refused = refuse(caller, "third")

    of_admin.refresh_from_db()
    assert isinstance(refused, ModelSwitching)
    assert refused.headers["Retry-After"] in ("29", "30")
    assert (of_admin.state, of_admin.cancel_requested_at) == (state, None)
    assert Switch.objects.count() == 1


def test_switch_that_appears_while_the_plan_is_made_is_not_ended_either(
    caller: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready("first", "second", "third")
    serve_for_long("first")

    def plan_then_ask(*args: Any, **options: Any) -> Plan:
        plan = plan_switch(*args, **options)
        monkeypatch.setattr(switch_requests, "plan_switch", plan_switch)
        ask("second")
        return plan

    monkeypatch.setattr(switch_requests, "plan_switch", plan_then_ask)

    refused = refuse(caller, "third")

    assert isinstance(refused, ModelSwitching)
    assert refused.message == "A switch to 'second' is under way."
    assert not Switch.objects.filter(to_profile="third").exists()


def test_chat_joins_a_switch_to_what_it_asks_for_and_leaves_its_draining_alone(caller: User) -> None:
    make_ready("first", "second")
    serve("first")
    of_admin = ask("second", drain_timeout_s=7, drain_policy="wait")

    request_switch_for_chat("second", as_caller(caller), [ModelTask.GENERATE])

    of_admin.refresh_from_db()
    assert Switch.objects.get() == of_admin
    assert (of_admin.drain_timeout_s, of_admin.drain_policy) == (7, "wait")


def test_first_chat_of_all_may_switch(caller: User) -> None:
    make_ready("first")

    request_switch_for_chat("first", as_caller(caller), [])

    switch = Switch.objects.get()
    event = AuditEvent.objects.get()
    assert (switch.via, switch.actor_name) == ("chat", "mina")
    assert (event.action, event.via, event.target_id) == ("switch_requested", "chat", str(switch.pk))
    assert (event.actor_id, event.actor_name) == (caller.pk, "mina")
    assert (event.address, event.request_id) == ("192.0.2.7", "of-the-chat")


def test_nothing_is_stopped_for_a_model_that_would_refuse_the_request(caller: User) -> None:
    make_ready("first")
    save_large("embeds", extra_flags={"runner": "pooling", "convert": "embed"})

    refused = refuse(caller, "embeds", ModelTask.GENERATE, ModelTask.TRANSCRIBE)

    assert isinstance(refused, TaskNotSupported)
    assert refused.message == (
        "`embeds` is not loaded for this request: its model is for embed, rerank, pool."
    )
    assert not Switch.objects.exists()

"""Asking for a switch: what is joined, what gives way, what waits, and what is refused untouched."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from gateway.errors import DoesNotFit, NotFound, SwitchRefused
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import SwitchState
from modelops.models import ModelProfile, Slot, Switch, SwitchEvent, WebPresence
from modelops.models.switches import MESSAGE
from modelops.switching import requests as switch_requests
from modelops.switching.cancelling import cancel_switch
from modelops.switching.planning import plan_switch
from modelops.switching.requests import RequestOutcome, preview_switch, request_switch
from modelops.switching.slots import find_slot
from modelops.tests.fit_rows import record, save_large, save_profile
from modelops.tests.switch_rows import (
    SHELL,
    advance,
    announce_switcher,
    ask,
    begin,
    make_ready,
    serve,
)

pytestmark = pytest.mark.django_db


def states() -> dict[str, str]:
    return dict(Switch.objects.values_list("to_profile", "state"))


def test_another_target_before_stopping_ends_the_switch_under_way() -> None:
    make_ready("first", "second")
    acting = begin(ask("first"), SwitchState.PLANNED, SwitchState.DRAINING)

    second = ask("second")

    acting.refresh_from_db()
    assert acting.state == SwitchState.DRAINING
    assert acting.cancel_requested_at is not None
    assert (acting.cancelled_by, acting.superseded_by) == ("a switch to second", second)
    assert second.state == SwitchState.REQUESTED


def test_another_target_after_stopping_waits_and_the_newest_wish_counts() -> None:
    make_ready("first", "second", "third")
    acting = begin(ask("first"), SwitchState.PLANNED, SwitchState.STOPPING)

    second, third = ask("second"), ask("third")

    acting.refresh_from_db()
    second.refresh_from_db()
    assert (acting.cancel_requested_at, acting.superseded_by) == (None, None)
    assert (second.state, second.superseded_by) == (SwitchState.CANCELLED, third)
    assert third.state == SwitchState.REQUESTED


def test_going_back_to_what_serves_ends_the_switch_away_from_it() -> None:
    make_ready("first", "second")
    serve("first")
    away = begin(ask("second"), SwitchState.PLANNED)

    back = request_switch(SwitchRequest("first"), SHELL)

    away.refresh_from_db()
    assert back.outcome is RequestOutcome.ACCEPTED
    assert away.cancel_requested_at is not None


def test_profile_that_serves_is_left_alone() -> None:
    make_ready("first")
    serve("first")

    requested = request_switch(SwitchRequest("first"), SHELL)

    assert (requested.outcome, requested.switch) == (RequestOutcome.ALREADY_ACTIVE, None)
    assert not Switch.objects.exists()


def test_plan_is_made_again_when_the_slot_changed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    make_ready("first", "second")
    serve("first")
    flips = iter([lambda: serve("second")])

    def plan_then_flip(*args: Any, **options: Any) -> Any:
        plan = plan_switch(*args, **options)
        next(flips, lambda: None)()
        return plan

    monkeypatch.setattr(switch_requests, "plan_switch", plan_then_flip)

    requested = request_switch(SwitchRequest("first"), SHELL)

    assert requested.outcome is RequestOutcome.ACCEPTED
    assert requested.switch is not None
    assert requested.switch.from_profile == "second"


def test_preview_writes_nothing_not_even_the_slot() -> None:
    make_ready("first")

    plan = preview_switch(SwitchRequest("first"))

    assert plan.is_accepted
    assert not Slot.objects.exists()
    assert find_slot("default") is None


def test_plan_with_another_context_leaves_the_profile_as_it_was() -> None:
    make_ready("first")
    profile = ModelProfile.objects.get(slug="first")
    before = profile.get_values()

    plan = plan_switch(Slot(), profile, max_model_len=1024)

    assert plan.arguments[plan.arguments.index("--max-model-len") + 1] == "1024"
    assert profile.get_values() == before


def test_refusal_carries_the_plan_and_changes_nothing() -> None:
    save_large()
    announce_switcher()
    record()

    with pytest.raises(DoesNotFit) as caught:
        request_switch(SwitchRequest("large"), SHELL)

    plan = caught.value.details["plan"]
    assert (plan["accepted"], plan["fit"]["verdict"]) == (False, "does_not_fit")
    assert "does_not_fit" in [problem["code"] for problem in plan["problems"]]
    assert not Switch.objects.exists()


def test_plan_names_variables_that_change_and_tells_no_value() -> None:
    announce_switcher()
    save_profile("first", environment={"NCCL_SOCKET_IFNAME": "eth0", "NCCL_ALGO": "old-value"})
    save_profile("second", environment={"NCCL_SOCKET_IFNAME": "eth1", "NCCL_PROTO": "new-value"})
    serve("first")

    plan = preview_switch(SwitchRequest("second"))

    changes = {each["setting"]: (each["from"], each["to"]) for each in plan.diff}
    assert (
        changes.items()
        >= {
            "environment.NCCL_ALGO": ("set", None),
            "environment.NCCL_PROTO": (None, "set"),
            "environment.NCCL_SOCKET_IFNAME": ("set", "another value"),
        }.items()
    )
    told = json.dumps(plan.serialise())
    assert not any(value in told for value in ("eth0", "eth1", "old-value", "new-value"))


def test_force_overrides_fit_and_is_kept_in_the_history() -> None:
    save_large()
    announce_switcher()
    record()

    switch = request_switch(SwitchRequest("large", force=True, reason="trying"), SHELL).switch

    assert switch is not None
    event = SwitchEvent.objects.get(switch=switch)
    assert (switch.force, switch.reason) == (True, "trying")
    told = {"actor": "kim (shell)", "reason": "trying", "force": True, "profile": "large"}
    assert event.data == {**told, MESSAGE: "asked for through the command line"}


def test_force_does_not_stand_in_for_a_switcher() -> None:
    make_ready("first")
    announce_switcher(age_s=3600)

    with pytest.raises(SwitchRefused, match="No switcher has been heard of"):
        request_switch(SwitchRequest("first", force=True), SHELL)


def test_slot_that_is_not_there_is_named() -> None:
    make_ready("first")

    with pytest.raises(NotFound, match="'left'"):
        preview_switch(SwitchRequest("first", slot="left"))
    with pytest.raises(NotFound, match="'left'"):
        request_switch(SwitchRequest("first", slot="left"), SHELL)


def test_cancel_ends_a_waiting_switch_at_once_and_asks_an_acting_one() -> None:
    make_ready("first", "second")
    acting = begin(ask("first"), SwitchState.PLANNED, SwitchState.STARTING)
    ask("second")

    waiting = cancel_switch(None, SHELL)
    asked = cancel_switch(None, SHELL)
    again = cancel_switch(acting.pk, SHELL)

    assert (waiting.to_profile, waiting.state) == ("second", SwitchState.CANCELLED)
    assert (asked, asked.state, asked.cancelled_by) == (acting, SwitchState.STARTING, "kim (shell)")
    assert again.cancel_requested_at == asked.cancel_requested_at


def test_cancel_says_so_when_there_is_nothing_to_cancel() -> None:
    make_ready("first")
    with pytest.raises(NotFound, match="under way"):
        cancel_switch(None, SHELL)
    ended = advance(ask("first"), SwitchState.REJECTED)

    with pytest.raises(SwitchRefused, match="ended already"):
        cancel_switch(ended.pk, SHELL)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("targets", [("first", "first"), ("first", "second")])
def test_of_two_at_once_one_leads(targets: tuple[str, str]) -> None:
    make_ready("first", "second")
    barrier = threading.Barrier(2)
    outcomes: list[tuple[RequestOutcome, str]] = []

    def run(target: str) -> None:
        try:
            barrier.wait(10)
            requested = request_switch(SwitchRequest(target), SHELL)
            outcomes.append((requested.outcome, target))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(outcomes) == 2
    assert Switch.objects.live().count() == 1
    if targets[0] == targets[1]:
        assert {outcome for outcome, _target in outcomes} == {RequestOutcome.ACCEPTED, RequestOutcome.JOINED}
    else:
        assert sorted(states().values()) == ["cancelled", "requested"]


@pytest.mark.parametrize(
    ("runtime", "web", "is_accepted"),
    [
        ("process", "elsewhere", False),
        ("process", "here", True),
        ("process", None, True),
        ("docker", "elsewhere", True),
    ],
)
def test_runtime_on_loopback_is_refused_where_a_web_process_does_not_share_it(
    runtime: str, web: str | None, is_accepted: bool
) -> None:
    described = {"problem": "", "images": [], "network": "here"}
    announce_switcher(facts={"process": described, "docker": described})
    image = "vllm:1" if runtime == "docker" else ""
    save_profile("a", engine="simulator", runtime=runtime, image=image, repository="", config={})
    if web is not None:
        later = timezone.now() + timedelta(hours=1)
        WebPresence.objects.create(host="web-1", pid=1, seen_at=later, network=web)

    plan = preview_switch(SwitchRequest("a", force=True))

    assert plan.is_accepted is is_accepted
    assert [each.code for each in plan.refusals] == ([] if is_accepted else ["unreachable_from_web"])
    if not is_accepted:
        assert "web process on web-1 does not reach" in plan.refusals[0].message

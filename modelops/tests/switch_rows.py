"""Rows as a switcher writes them: the tests of the faces play the switcher."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from modelops.domain.profiles.spec import to_values
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import LIVE_STATES, SwitchState
from modelops.models import Engine, EngineLog, ModelProfile, Slot, Switch, SwitcherPresence, SwitchEvent
from modelops.switching.actor import Actor
from modelops.switching.requests import preview_switch, request_switch
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import save_simulated
from modelops.tests.serving.slot_rows import flip, make_engine

FACTS = {
    "process": {"problem": "", "version": "1"},
    "docker": {"problem": "", "images": [], "can_use_gpus": True},
}
CAUSE = {
    "code": "context_too_long",
    "message": "the KV cache cannot hold it.",
    "advice": "Use 2048.",
    "evidence": "ValueError: too long",
    "retry_max_model_len": 2048,
}
SHELL = Actor(Switch.Via.COMMAND, name="kim (shell)")


LONGER_THAN_ANY_TEST_S = 3600.0


def announce_switcher(*, age_s: float = -LONGER_THAN_ANY_TEST_S, facts: Any = FACTS) -> SwitcherPresence:
    """A switcher that was heard of `age_s` ago; by default one that counts as alive for the whole test."""
    SwitcherPresence.objects.all().delete()
    seen_at = timezone.now() - timedelta(seconds=age_s)
    return SwitcherPresence.objects.create(
        host="gpu-box", pid=7, is_acting=True, facts=facts, seen_at=seen_at
    )


def make_ready(*slugs: str) -> list[ModelProfile]:
    """A switcher, and simulated profiles that it could switch to."""
    announce_switcher()
    return [save_simulated(slug) for slug in slugs]


def serve(slug: str, slot: Slot | None = None) -> Engine:
    """Have an engine of this profile serve the slot, as a switch would have left it."""
    slot = slot or get_slot()
    plan = preview_switch(SwitchRequest(slug))
    engine = make_engine(
        slot,
        slug,
        arguments=list(plan.arguments),
        spec=to_values(ModelProfile.objects.get(slug=slug).to_spec()),
    )
    flip(slot, engine)
    return engine


def ask(slug: str, **options: Any) -> Switch:
    """A switch that somebody asked for on the command line."""
    switch = request_switch(SwitchRequest(slug, **options), SHELL).switch
    assert switch is not None
    return switch


def advance(switch: Switch, state: SwitchState, message: str = "", **values: Any) -> Switch:
    """Move the switch to a state, with the event and the times that go with it."""
    now = timezone.now()
    switch.refresh_from_db()
    seconds = dict(switch.state_seconds)
    spent_s = (now - switch.state_since).total_seconds()
    seconds[switch.state] = round(seconds.get(switch.state, 0.0) + spent_s, 3)
    ended_at = None if state in LIVE_STATES else now
    Switch.objects.filter(pk=switch.pk).update(
        state=state, state_since=now, state_seconds=seconds, ended_at=ended_at, **values
    )
    SwitchEvent.objects.create(switch=switch, kind=SwitchEvent.Kind.STATE, state=state, message=message)
    switch.refresh_from_db()
    return switch


def begin(switch: Switch, *states: SwitchState) -> Switch:
    for state in states:
        advance(switch, state)
    return switch


def write_log(engine: Engine, *lines: str) -> EngineLog:
    return EngineLog.objects.create(engine=engine, text="".join(f"{line}\n" for line in lines))


def fail(switch: Switch) -> Switch:
    """Have it fail while the engine loads, and what served before serve again."""
    begin(switch, SwitchState.PLANNED, SwitchState.LOADING)
    return advance(
        switch,
        SwitchState.ROLLED_BACK,
        f"{switch.actor_name}'s fault",
        root_cause=CAUSE,
        log_tail="the last lines",
    )

"""What is told of a switch before its engine says anything: running answers, time left, the next wish."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gateway.ids import new_id
from modelops.domain.switching.readiness import BEFORE_THE_START
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Switch, WebPresence
from modelops.switching.status import serialise_status
from modelops.tests.management.command_runs import Switcher, go, run, see
from modelops.tests.switch_rows import advance, ask, begin, make_ready, serve

pytestmark = pytest.mark.django_db


def show_web(switch: Switch, running: int, *, age_s: float = 0.0) -> None:
    """A web process with so many answers running, heard of `age_s` ago."""
    entry = {str(switch.slot_id): {"epoch": 1, "open": running, "waiting": 0}}
    seen_at = Now() - timedelta(seconds=age_s)
    WebPresence.objects.create(id=new_id(), host="here", pid=1, slots=entry, seen_at=seen_at)


def started_in(profile: str, seconds: float) -> None:
    """Have an earlier start of the profile on record."""
    engine = serve(profile)
    Engine.objects.filter(pk=engine.pk).update(phase_seconds={"weights": seconds})


def drain(slug: str = "second", **options: Any) -> Switch:
    return begin(ask(slug, **options), SwitchState.PLANNED, SwitchState.DRAINING)


def test_answers_that_still_run_are_counted_over_the_web_processes_that_live() -> None:
    make_ready("first", "second")
    serve("first")
    switch = drain(drain_timeout_s=60, drain_policy="cut")
    show_web(switch, 2)
    show_web(switch, 1)
    show_web(switch, 7, age_s=3600)

    status = serialise_status(for_admin=False)

    deadline = switch.state_since + timedelta(seconds=60)
    assert status["draining"]["running"] == 3
    assert status["draining"]["policy"] == "cut"
    assert status["draining"]["deadline"] == deadline.isoformat().replace("+00:00", "Z")
    assert status["detail"].startswith("3 answers are still running; in ")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("wait", "1 answer is still running; the switch waits for them"),
        ("cut", "1 answer is still running; now they are ended"),
        ("abandon", "1 answer is still running; now the switch is given up"),
    ],
)
def test_what_happens_to_answers_that_take_too_long_is_said(policy: str, said: str) -> None:
    make_ready("first", "second")
    serve("first")
    show_web(drain(drain_timeout_s=0, drain_policy=policy), 1)

    assert serialise_status(for_admin=False)["detail"] == said


def test_nothing_drains_before_and_after() -> None:
    make_ready("first", "second")
    serve("first")
    switch = ask("second")
    before = serialise_status(for_admin=False)["draining"]
    begin(switch, SwitchState.PLANNED, SwitchState.STOPPING)

    assert (before, serialise_status(for_admin=False)["draining"]) == (None, None)


def test_count_is_on_the_page_in_the_api_and_on_the_command_line(web: Client, user: Client) -> None:
    make_ready("first", "second")
    serve("first")
    switch = drain(drain_timeout_s=60)
    show_web(switch, 3)

    page = web.get(reverse("admin:modelops_switch_change", args=[switch.pk])).content.decode()
    told = user.get(f"/api/models/switches/{switch.pk}").json()
    _code, output, _errors = run("switch_model", "second", "--timeout", "0.01")

    assert "3 answers are still running; in " in page
    assert told["detail"].startswith("3 answers are still running; in ")
    assert "draining: 3 answers are still running; in " in output


@pytest.mark.django_db(transaction=True)
def test_a_countdown_writes_no_further_lines() -> None:
    make_ready("first")
    output = StringIO()

    with Switcher(
        go(SwitchState.DRAINING),
        see(output, "no answers are still running"),
        go(SwitchState.ACTIVE, percent=100),
    ):
        _code, text, _errors = run("switch_model", "first", output=output)

    assert text.count("no answers are still running") == 1


@pytest.mark.parametrize(
    "state",
    [*BEFORE_THE_START, SwitchState.STARTING],
)
def test_time_left_goes_by_earlier_starts_until_the_engine_tells(state: SwitchState) -> None:
    make_ready("first", "second")
    started_in("second", 40.0)
    serve("first")
    switch = ask("second")
    advance(switch, state)
    Switch.objects.update(state_since=timezone.now() - timedelta(seconds=10))

    eta_s = serialise_status(for_admin=False)["eta_s"]

    left = 30 if state is SwitchState.STARTING else 40
    assert eta_s in (left - 1, left)


def test_time_left_is_not_guessed_while_going_back_or_without_a_start_on_record() -> None:
    make_ready("first", "second")
    serve("first")
    switch = ask("second")
    unknown = serialise_status(for_admin=False)["eta_s"]
    Switch.objects.update(plan={**(switch.plan or {}), "typical_seconds": 40.0})
    advance(switch, SwitchState.ROLLING_BACK)

    assert (unknown, serialise_status(for_admin=False)["eta_s"]) == (None, None)


def test_wish_whose_turn_comes_next_is_in_sight_everywhere(web: Client) -> None:
    make_ready("first", "second")
    acting = begin(ask("first"), SwitchState.PLANNED, SwitchState.LOADING)
    waiting = ask("second")

    status = serialise_status(for_admin=False)
    _code, output, _errors = run("model_status")
    pages = [
        web.get(reverse("admin:modelops_switch_change", args=[each.pk])).content.decode()
        for each in (acting, waiting)
    ]

    assert (status["switch"]["id"], status["waiting"]["id"]) == (str(acting.id), str(waiting.id))
    assert status["waiting"]["to_profile"] == "second"
    assert f"then → second: waits for its turn (switch {waiting.id})" in output
    assert "waits for the end of this one" in pages[0]
    assert "has to end first (loading)" in pages[1]


def test_lone_wish_is_the_switch_and_nothing_waits_behind_it() -> None:
    make_ready("first")
    alone = ask("first")

    status = serialise_status(for_admin=False)

    assert (status["switch"]["id"], status["waiting"]) == (str(alone.id), None)

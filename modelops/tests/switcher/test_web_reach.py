"""An engine becomes active once the web processes reach it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateway.ids import new_id
from gateway.tests.live import wait_until
from modelops.domain.switching.states import Check
from modelops.models import WebPresence
from modelops.switcher.web_reach import REACH_TIMEOUT_S, WebReach
from modelops.tests.serving.slot_rows import make_engine, make_slot
from modelops.tests.switcher.bench import SwitchBench
from modelops.tests.switcher.test_failures import profile_of

REFUSED = "it does not accept connections"


def add_web(reached: Any, *, silent_s: float = 0.0) -> None:
    seen_at = timezone.now() - timedelta(seconds=silent_s)
    WebPresence.objects.create(id=new_id(), host="web-1", pid=7, seen_at=seen_at, reached=reached)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "at_first", "at_last"),
    [
        ([], Check.PASSED, Check.PASSED),
        ([""], Check.PASSED, Check.PASSED),
        (["", ""], Check.PASSED, Check.PASSED),
        (["", None], Check.PENDING, Check.PASSED),
        (["", REFUSED], Check.PENDING, Check.FAILED),
    ],
)
def test_engine_has_to_be_reached_by_every_web_process_that_says_something(
    said: list[str | None], at_first: Check, at_last: Check
) -> None:
    engine = make_engine(make_slot(), "a", "http://127.0.0.1:1")
    for each in said:
        add_web({} if each is None else {str(engine.pk): each})
    reach = WebReach()

    first, last = reach.look(engine, 100.0), reach.look(engine, 100.0 + REACH_TIMEOUT_S)

    assert (first[0], last[0]) == (at_first, at_last)
    cause = last[1]
    assert (cause is not None) is (at_last is Check.FAILED)
    if cause is not None:
        assert cause.code == "unreachable_from_web"
        assert f"http://127.0.0.1:1 from web process 7 on web-1: {REFUSED}." in cause.message


@pytest.mark.django_db
def test_web_process_that_is_gone_or_of_an_earlier_version_is_not_waited_for() -> None:
    engine = make_engine(make_slot(), "a")
    add_web(None)
    add_web({}, silent_s=20)

    assert WebReach().look(engine, 100.0) == (Check.PASSED, None)


def request_b_after_a(bench: SwitchBench) -> str:
    """Request a switch to b, with a web process that has said nothing of b's engine yet."""
    for slug in ("a", "b"):
        bench.save_profile(slug)
    bench.start_switcher()
    bench.switch_and_settle("a")
    bench.order("show_web", reached={})
    return bench.request("b")


def test_switch_waits_in_verifying_until_web_reaches_the_engine(bench: SwitchBench) -> None:
    switch_id = request_b_after_a(bench)
    bench.wait_for_state("verifying")

    bench.order("show_web", reached={bench.find_switch(switch_id)["new_engine_id"]: ""})
    rows = bench.wait_until_settled()

    switch = bench.find_switch(switch_id)
    assert (switch["state"], switch["root_cause"]) == ("active", None)
    assert profile_of(rows) == "b"


def test_switch_is_rolled_back_when_web_does_not_reach_the_engine(bench: SwitchBench) -> None:
    """Said as soon as there is an engine: a busy machine may be late for the seconds of verifying."""
    switch_id = request_b_after_a(bench)
    engine = wait_until(
        lambda: bench.find_switch(switch_id)["new_engine_id"], timeout_s=20, what="the new engine's row"
    )

    bench.order("show_web", reached={engine: REFUSED})
    rows = bench.wait_until_settled()

    switch = bench.find_switch(switch_id)
    assert (switch["state"], switch["root_cause"]["code"]) == ("rolled_back", "unreachable_from_web")
    assert profile_of(rows) == "a"

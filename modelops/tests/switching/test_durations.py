"""How long states took, beside earlier switches to the same profile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from modelops.domain.switching.states import SwitchState
from modelops.models import Switch
from modelops.switching.durations import StateDuration, list_durations
from modelops.tests.switch_rows import advance, ask, make_ready

pytestmark = pytest.mark.django_db


def succeed(slug: str, **seconds: float) -> Switch:
    switch = advance(ask(slug), SwitchState.ACTIVE)
    Switch.objects.filter(pk=switch.pk).update(state_seconds=seconds)
    return switch


def test_median_of_earlier_successes_stands_beside_each_state() -> None:
    make_ready("first", "other")
    for loading in (10.0, 12.0, 50.0):
        succeed("first", planned=1.0, loading=loading)
    succeed("other", loading=500.0)
    failed = advance(ask("first"), SwitchState.ROLLED_BACK)
    Switch.objects.filter(pk=failed.pk).update(state_seconds={"loading": 900.0})
    switch = succeed("first", planned=1.5, loading=30.0, rolling_back=2.0)
    succeed("first", loading=1.0)
    switch.refresh_from_db()

    durations, usual = list_durations(switch, switch.state_since)

    assert usual.count == 3
    assert [(each.state, each.seconds, each.usual_s) for each in durations] == [
        ("planned", 1.5, 1.0),
        ("loading", 30.0, 12.0),
        ("rolling_back", 2.0, None),
    ]
    assert [each.took_much_longer for each in durations] == [False, True, False]


def test_state_that_goes_on_is_counted_up_to_now() -> None:
    make_ready("first")
    switch = advance(ask("first"), SwitchState.LOADING)

    durations, _usual = list_durations(switch, switch.state_since + timedelta(seconds=7))

    assert durations[-1] == StateDuration(SwitchState.LOADING, 7.0, None)


@pytest.mark.parametrize(
    ("seconds", "usual_s", "is_longer"),
    [(9.0, 3.0, True), (5.0, 3.0, False), (2.0, 0.1, False), (9.0, None, False)],
)
def test_much_longer_is_twice_as_long_and_some_seconds(
    seconds: float, usual_s: float | None, is_longer: bool
) -> None:
    assert StateDuration(SwitchState.LOADING, seconds, usual_s).took_much_longer is is_longer

"""What is decided from rows is written only where these rows are still so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Slot, Switch
from modelops.switcher.lease import SlotLease
from modelops.switcher.ledger import Ledger, StateMoved

pytestmark = pytest.mark.django_db


@pytest.fixture
def switch() -> Switch:
    slot = Slot.objects.create(slug="default")
    return Switch.objects.create(
        slot=slot, to_profile="b", state=SwitchState.DRAINING, drain_timeout_s=1, drain_policy="cut"
    )


@pytest.fixture
def ledger(switch: Switch) -> Ledger:
    lease = SlotLease(switch.slot_id, holder="test", length_s=60)
    assert lease.hold()
    return Ledger(switch.slot_id, lease)


def test_a_cancel_that_came_after_the_look_is_not_passed_by(switch: Switch, ledger: Ledger) -> None:
    seen = ledger.load().switch
    assert seen is not None
    Switch.objects.update(cancel_requested_at=Now())

    with pytest.raises(StateMoved):
        ledger.move(seen, SwitchState.STOPPING)

    switch.refresh_from_db()
    assert switch.state == SwitchState.DRAINING


def test_a_cancel_that_was_seen_is_followed(switch: Switch, ledger: Ledger) -> None:
    Switch.objects.update(cancel_requested_at=Now())
    seen = ledger.load().switch
    assert seen is not None

    ledger.move(seen, SwitchState.CANCELLED)

    switch.refresh_from_db()
    assert switch.state == SwitchState.CANCELLED


def test_rows_are_built_anew_only_when_one_of_them_has_changed(switch: Switch, ledger: Ledger) -> None:
    engine = Engine.objects.create(slot=switch.slot, generation=1, name="a-1", runtime="process", spec={})
    Slot.objects.update(active_engine=engine)
    first = ledger.load()

    Slot.objects.update(lease_expires_at=Now())
    after_a_renewal = ledger.load()
    Engine.objects.update(base_url="http://elsewhere")
    after_a_change = ledger.load()

    assert after_a_renewal is first
    assert after_a_change.slot.active_engine is not None
    assert after_a_change.slot.active_engine.base_url == "http://elsewhere"


@pytest.mark.parametrize(
    ("to", "is_kept"),
    [(SwitchState.STOPPING, False), (SwitchState.ROLLING_BACK, False), (SwitchState.VERIFYING, True)],
)
def test_progress_ends_with_what_it_was_of(
    switch: Switch, ledger: Ledger, to: SwitchState, is_kept: bool
) -> None:
    Switch.objects.update(phase="weights", percent=53, detail="b: weights", ready_expected_at=timezone.now())
    seen = ledger.load().switch
    assert seen is not None

    ledger.move(seen, to)

    switch.refresh_from_db()
    told = [
        switch.phase != "",
        switch.percent is not None,
        switch.detail != "",
        switch.ready_expected_at is not None,
    ]
    assert told == [is_kept] * 4


@pytest.mark.parametrize(("boot", "longest_s"), [("this boot", 60.0), ("the next boot", 0.0)])
def test_switcher_that_begins_inherits_a_minute_of_backoff_at_most_and_none_after_a_reboot(
    boot: str, longest_s: float
) -> None:
    retry_at = timezone.now() + timedelta(seconds=300)
    slot = Slot.objects.create(slug="waiting", box_boot="this boot", failed_restarts=6, retry_at=retry_at)
    lease = SlotLease(slot.pk, holder="next", length_s=10.0)
    lease.hold()

    Ledger(slot.pk, lease).begin(boot)

    slot.refresh_from_db()
    left_s = (slot.retry_at - timezone.now()).total_seconds() if slot.retry_at else 0.0
    assert left_s <= longest_s
    assert slot.failed_restarts == (0 if boot == "the next boot" else 6)
    assert slot.box_boot == boot

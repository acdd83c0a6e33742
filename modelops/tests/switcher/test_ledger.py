"""What is decided from rows is written only where these rows are still so."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from modelops.domain.switching.states import SwitchState
from modelops.models import Slot, Switch
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

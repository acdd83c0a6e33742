"""Who may act for a slot: a holder that was away for too long neither writes nor acts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelops.models import Slot
from modelops.switcher.lease import LeaseLost, SlotLease

LENGTH_S = 10.0


@pytest.fixture
def slot(db: None) -> Iterator[Slot]:
    yield Slot.objects.create(slug="default")


def test_one_holder_at_a_time_and_the_next_one_after_a_release(slot: Slot) -> None:
    first, second = (SlotLease(slot.pk, holder=name, length_s=LENGTH_S) for name in ("first", "second"))

    taken = (first.hold(), second.hold())
    first.release()
    then = second.hold()

    assert taken == (True, False)
    assert then
    assert second.fence == 2


def test_a_holder_whose_lease_went_to_another_writes_nothing(slot: Slot) -> None:
    first = SlotLease(slot.pk, holder="first", length_s=LENGTH_S)
    first.hold()
    Slot.objects.update(lease_holder="second", fence=2)

    changed = first.held_slot().update(desired_profile="mine")

    assert changed == 0


def test_a_holder_that_was_away_for_the_length_of_its_lease_does_nothing_to_engines(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("modelops.switcher.lease.time.monotonic", lambda: now)
    lease = SlotLease(slot.pk, holder="first", length_s=LENGTH_S)
    lease.hold()
    lease.check_age()

    now += LENGTH_S

    with pytest.raises(LeaseLost):
        lease.check_age()

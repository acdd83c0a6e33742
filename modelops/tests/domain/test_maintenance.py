"""What is done for a slot while no switch is under way."""

from __future__ import annotations

import pytest

from modelops.domain.switching.maintenance import (
    Maintenance,
    SlotObservation,
    backoff_s,
    next_maintenance,
    shorten_backoff,
)
from modelops.domain.switching.states import (
    WorkloadStatus,
)

UPKEEP: list[tuple[str, SlotObservation, Maintenance]] = [
    ("all is well", SlotObservation(active=WorkloadStatus.RUNNING, desires=True), Maintenance.NOTHING),
    ("a switch waits", SlotObservation(active=WorkloadStatus.RUNNING, has_waiting=True), Maintenance.CLAIM),
    (
        "a switch waits, it died",
        SlotObservation(active=WorkloadStatus.EXITED, has_waiting=True),
        Maintenance.DECLARE_DEAD,
    ),
    ("a switch waits, nothing serves", SlotObservation(has_waiting=True, desires=True), Maintenance.CLAIM),
    ("it died", SlotObservation(active=WorkloadStatus.EXITED), Maintenance.DECLARE_DEAD),
    ("it vanished", SlotObservation(active=WorkloadStatus.ABSENT), Maintenance.DECLARE_DEAD),
    (
        "it hangs",
        SlotObservation(active=WorkloadStatus.RUNNING, unhealthy_for_s=31),
        Maintenance.DECLARE_DEAD,
    ),
    ("it is slow", SlotObservation(active=WorkloadStatus.RUNNING, unhealthy_for_s=29), Maintenance.NOTHING),
    (
        "its runtime is silent",
        SlotObservation(active=WorkloadStatus.UNKNOWN, unhealthy_for_s=99),
        Maintenance.NOTHING,
    ),
    (
        "somebody else's is down",
        SlotObservation(active=WorkloadStatus.RUNNING, is_external=True, unhealthy_for_s=99),
        Maintenance.NOTHING,
    ),
    ("nothing serves", SlotObservation(desires=True), Maintenance.START_DESIRED),
    ("not yet again", SlotObservation(desires=True, retry_in_s=3), Maintenance.NOTHING),
    ("nothing is wanted", SlotObservation(), Maintenance.NOTHING),
    ("remains", SlotObservation(desires=True, has_orphans=True), Maintenance.REMOVE_ORPHANS),
    (
        "remains beside it",
        SlotObservation(active=WorkloadStatus.RUNNING, has_orphans=True),
        Maintenance.REMOVE_ORPHANS,
    ),
]


@pytest.mark.parametrize(("seen", "upkeep"), [row[1:] for row in UPKEEP], ids=[row[0] for row in UPKEEP])
def test_a_slot_without_a_switch_is_kept_up(seen: SlotObservation, upkeep: Maintenance) -> None:
    assert next_maintenance(seen) is upkeep


def test_tries_come_ever_later_and_never_stop() -> None:
    waits = [backoff_s(failures) for failures in range(12)]

    assert waits == sorted(waits)
    assert waits[0] == 0
    assert waits[-1] == waits[-2] == 300


@pytest.mark.parametrize(
    ("retry_in_s", "is_rebooted", "left"),
    [
        (300.0, False, (6, 60.0)),
        (20.0, False, (6, 20.0)),
        (None, False, (6, None)),
        (300.0, True, (0, None)),
    ],
)
def test_backoff_is_a_minute_at_most_for_a_new_switcher_and_none_after_a_reboot(
    retry_in_s: float | None, is_rebooted: bool, left: tuple[int, float | None]
) -> None:
    assert shorten_backoff(6, retry_in_s, is_rebooted=is_rebooted) == left

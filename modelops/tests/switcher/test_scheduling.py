"""A slot follows its windows by switches like anybody's, each edge once."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from gateway.errors import InvalidRequest
from modelops.models import ScheduleWindow, Slot, SlotSchedule, Switch
from modelops.switcher.lease import LeaseLost, SlotLease
from modelops.switcher.ledger import Ledger
from modelops.switcher.scheduling import Scheduler
from modelops.switching.scheduling import find_next_changes, list_coming, save_window
from modelops.switching.slots import get_slot
from modelops.tests.switch_rows import announce_switcher, ask, make_ready, serve

pytestmark = pytest.mark.django_db

EVENING, NIGHT = datetime(2030, 1, 7, 20, tzinfo=UTC), datetime(2030, 1, 7, 23, tzinfo=UTC)
MORNING = datetime(2030, 1, 8, 7, tzinfo=UTC)


class ScheduleBench:
    """The default slot with `small` serving and a window of `big` each night; the test plays the clock."""

    def __init__(self) -> None:
        make_ready("small", "big")
        self.slot = get_slot()
        serve("small", self.slot)
        self.desire("small")
        self.now = EVENING
        self.begin()

    def begin(self) -> None:
        """As a switcher that has just been started."""
        Slot.objects.update(lease_holder="")
        lease = SlotLease(self.slot.pk, holder="test", length_s=60)
        assert lease.hold()
        self.ledger = Ledger(self.slot.pk, lease)

    def desire(self, profile: str) -> None:
        Slot.objects.update(desired_profile=profile)

    def look(self, now: datetime) -> None:
        self.slot = Slot.objects.select_related("active_engine").get()
        Scheduler(self.ledger, clock=lambda: now).tick(self.slot)

    def finish(self, profile: str) -> None:
        """The switch under way has led to this profile."""
        Switch.objects.all().update(state="active", ended_at=EVENING)
        serve(profile, self.slot)
        self.desire(profile)

    @property
    def wishes(self) -> list[tuple[str, str, str]]:
        rows = Switch.objects.order_by("pk")
        return [(row.to_profile, row.via, row.reason) for row in rows]


@pytest.fixture
def bench() -> ScheduleBench:
    return ScheduleBench()


def add_window(slot: Slot, name: str = "night", profile: str = "big", **values: object) -> ScheduleWindow:
    filled = {"begins": time(22), "ends": time(6), "time_zone": "UTC", "weekdays": list(range(7))}
    window = ScheduleWindow(slot=slot, name=name, profile=profile, **(filled | values))
    return save_window(window, request=None)


def test_a_window_begins_and_ends_by_switches_that_name_it(bench: ScheduleBench) -> None:
    add_window(bench.slot, drain_policy="abandon", drain_timeout_s=7)
    bench.look(EVENING)
    before = bench.wishes

    bench.look(NIGHT)
    bench.look(NIGHT)
    began = Switch.objects.get()
    bench.finish("big")
    bench.look(MORNING)

    assert before == []
    assert (began.drain_policy, began.drain_timeout_s, began.actor_name) == ("abandon", 7, "schedule")
    assert bench.wishes == [
        ("big", "schedule", "the window “night” of the schedule has begun"),
        ("small", "schedule", "the window of the schedule is over"),
    ]


def test_a_switch_by_hand_holds_until_the_next_edge(bench: ScheduleBench) -> None:
    make_ready("other")
    add_window(bench.slot)
    bench.look(NIGHT)
    bench.finish("big")
    ask("other")
    bench.finish("other")

    bench.look(NIGHT)
    inside = len(bench.wishes)
    Switch.objects.update(created_at=NIGHT)
    bench.look(MORNING)

    assert inside == 2
    assert bench.wishes[-1][:2] == ("small", "schedule")


def test_edges_that_nobody_carried_out_are_made_good_once_by_the_next_switcher(bench: ScheduleBench) -> None:
    add_window(bench.slot)
    bench.look(EVENING)
    bench.begin()

    bench.look(NIGHT.replace(day=10))
    bench.begin()
    bench.look(NIGHT.replace(day=10))

    assert [wish[0] for wish in bench.wishes] == ["big"]


def test_a_refused_edge_says_why_and_is_tried_again(bench: ScheduleBench) -> None:
    add_window(bench.slot)
    announce_switcher(age_s=3600)

    bench.look(NIGHT)
    problem = SlotSchedule.objects.get().problem
    announce_switcher()
    bench.look(NIGHT)

    assert problem is not None
    assert "No switcher" in problem["message"]
    assert [wish[0] for wish in bench.wishes] == ["big"]
    assert SlotSchedule.objects.get().problem is None


def test_whoever_acts_no_more_asks_for_nothing(bench: ScheduleBench) -> None:
    add_window(bench.slot)
    Slot.objects.update(lease_holder="another")

    with pytest.raises(LeaseLost):
        bench.look(NIGHT)

    assert bench.wishes == []
    assert not SlotSchedule.objects.exists()


def test_windows_that_overlap_are_refused_with_the_others_name(bench: ScheduleBench) -> None:
    add_window(bench.slot, "night")

    with pytest.raises(InvalidRequest, match="It overlaps the window “night”") as caught:
        add_window(bench.slot, "early", begins=time(5), ends=time(9))
    add_window(bench.slot, "spare", begins=time(5), ends=time(9), is_active=False)

    assert caught.value.param == "begins"


def test_what_comes_next_is_known_by_time_and_profile(bench: ScheduleBench) -> None:
    add_window(bench.slot, weekdays=[0])
    bench.look(NIGHT)

    coming = [(f"{each.at:%a %H:%M}", each.profile) for each in list_coming(bench.slot, NIGHT)]
    following = find_next_changes([bench.slot], NIGHT)[bench.slot.pk]

    assert coming == [("Tue 06:00", "small"), ("Mon 22:00", "big")]
    assert (following.profile, following.window) == ("small", "")

"""`manage.py move_slot`, and where the box of a slot is named."""

from __future__ import annotations

import json

import pytest

from accounts.models import AuditEvent
from modelops.management.switch_commands import ExitCode
from modelops.models import Slot, SwitcherPresence
from modelops.tests.management.command_runs import run
from modelops.tests.serving.slot_rows import make_slot
from modelops.tests.switch_rows import announce_switcher, make_ready

pytestmark = pytest.mark.django_db


def announce(box: str, *, slots: list[str] | None = None, notice: str = "") -> SwitcherPresence:
    """One more switcher, on this box."""
    old = list(SwitcherPresence.objects.all())
    row = announce_switcher()
    SwitcherPresence.objects.bulk_create(old)
    row.box, row.box_host, row.slots, row.notice = f"docker:{box}", f"host-{box}", slots or [], notice
    row.save()
    return row


def test_slot_of_a_box_that_is_gone_moves_to_the_only_other_one() -> None:
    slot = make_slot(box="docker:gone", lease_holder="gone:1", fence=3)
    announce("new")

    code, output, _errors = run("move_slot")

    slot.refresh_from_db()
    assert code == 0
    assert "default is on host-new (docker:new) now." in output
    assert (slot.box, slot.box_host, slot.lease_holder, slot.fence) == ("docker:new", "host-new", "", 4)
    event = AuditEvent.objects.get(action="slot_moved")
    assert event.changes == {"box": ["docker:gone", "docker:new"]}


def test_slot_is_moved_away_from_a_living_switcher_only_by_force() -> None:
    slot = make_slot(box="docker:old", box_host="host-old")
    announce("old", slots=[str(slot.pk)])
    announce("new")

    refused = run("move_slot", "default", "--to", "host-new")
    forced = run("move_slot", "default", "--to", "docker:new", "--force")

    slot.refresh_from_db()
    assert refused[0] == ExitCode.REFUSED
    assert "stop it first" in refused[2]
    assert forced[0] == 0
    assert slot.box == "docker:new"


@pytest.mark.parametrize("arguments", [[], ["default", "--to", "nowhere"], ["no-such-slot"]])
def test_slot_is_not_moved_where_it_is_not_clear_to_which_box(arguments: list[str]) -> None:
    make_slot(box="docker:gone")
    announce("b")
    announce("c")

    code, _output, errors = run("move_slot", *arguments)

    assert code == ExitCode.REFUSED
    assert "host-b (docker:b)" in errors or "no slot" in errors
    assert Slot.objects.get().box == "docker:gone"


def test_plan_counts_on_no_switcher_of_another_box() -> None:
    make_ready("a")
    make_slot(box="docker:gone", box_host="host-gone")
    SwitcherPresence.objects.update(box="docker:new", slots=[])

    code, output, errors = run("switch_model", "a", "--no-wait")

    assert code == ExitCode.NO_SWITCHER
    said = output + errors
    assert "No switcher has been heard of on host-gone (docker:gone), where the slot is" in said
    assert "move_slot" in said


def test_status_names_the_box_and_the_switchers_that_leave_it_alone() -> None:
    slot = make_slot(box="docker:old", box_host="host-old")
    announce("old", slots=[str(slot.pk)])
    announce("new", notice="default belongs to host-old (docker:old).")

    output = run("model_status")[1]
    content = json.loads(run("model_status", "--json")[1])

    assert "on host-old (docker:old)" in output
    assert "another switcher, on host-new (docker:new): default belongs to host-old" in output
    assert content["box"] == "host-old (docker:old)"
    assert content["switcher"]["notices"] == [
        "host-new (docker:new): default belongs to host-old (docker:old)."
    ]

"""Remedies in words: for every interface the same, with what holds a card."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from modelops.domain.engine_log.causes import Cause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.switching.states import SwitchState
from modelops.hardware.readings import GpuProcess, GpuReading, HardwareReading
from modelops.management.switch_commands import describe_end
from modelops.models import HardwareSample, Switch, SwitcherPresence
from modelops.switching.remedies import Failure, offer_remedies, offer_remedies_for
from modelops.switching.slots import get_slot
from modelops.tests.serving.slot_rows import make_slot
from modelops.tests.switch_rows import advance, ask, fail, make_ready

pytestmark = pytest.mark.django_db

OCCUPIED = describe_cause(Cause.GPU_OCCUPIED)
GIB = 1 << 30


def read_cards(*processes: GpuProcess, host: str = "gpu-box", more: tuple[GpuReading, ...] = ()) -> None:
    """A reading of now: a card with these processes, and more cards."""
    cards = (GpuReading(0, "RTX 3090", processes=processes), *more)
    reading = HardwareReading(timezone.now(), gpus=cards)
    HardwareSample.objects.create(host=host, reading=reading.to_json(), taken_at=reading.taken_at)


def test_rest_tells_admins_what_to_do_and_with_which_request(admin: Client, user: Client) -> None:
    make_ready("first")
    switch = fail(ask("first"))

    told = admin.get(f"/api/models/switches/{switch.id}").json()["remedies"]
    hidden = user.get(f"/api/models/switches/{switch.id}").json()["remedies"]

    assert [remedy["kind"] for remedy in told] == ["retry_with_context", "edit_profile", "check_fit"]
    assert told[0]["title"] == "Retry with max_model_len 2,048 and keep it"
    assert told[0]["request"] == {
        "profile_id": "first",
        "slot": "default",
        "max_model_len": 2048,
        "keep_context": True,
    }
    assert told[0]["command"] == "manage.py switch_model first --max-model-len 2048 --keep-context"
    assert told[1]["fields"][0] == "max_model_len"
    assert hidden == []


def test_rest_says_remedies_in_the_callers_language(admin: Client) -> None:
    make_ready("first")
    switch = fail(ask("first"))

    told = admin.get(f"/api/models/switches/{switch.id}", headers={"Accept-Language": "ko"}).json()

    assert (
        told["remedies"][0]["title"] == "max_model_len 값을 2,048 토큰으로 줄여 다시 시도하고 프로필에 저장"
    )


def test_request_of_a_remedy_retries_and_keeps_the_context(admin: Client) -> None:
    (first,) = make_ready("first")
    switch = fail(ask("first"))
    retry = admin.get(f"/api/models/switches/{switch.id}").json()["remedies"][0]

    answer = admin.post("/api/models/switch", retry["request"], content_type="application/json")

    first.refresh_from_db()
    assert answer.status_code == 202
    assert first.max_model_len == 2048
    assert Switch.objects.live().get().max_model_len == 2048


def test_status_has_the_remedies_of_the_last_error(admin: Client, user: Client) -> None:
    make_ready("first")
    fail(ask("first"))

    told = admin.get("/api/models/status").json()["last_error"]["remedies"]
    hidden = user.get("/api/models/status").json()["last_error"]["remedies"]

    assert [remedy["kind"] for remedy in told] == ["retry_with_context", "edit_profile", "check_fit"]
    assert hidden == []


def test_processes_that_hold_a_card_are_named_and_ours_are_not() -> None:
    make_ready("first")
    read_cards(
        GpuProcess(11, 2 * GIB, "python train.py"),
        GpuProcess(12, 9 * GIB, "Xorg"),
        GpuProcess(13, 20 * GIB, "vllm", is_ours=True),
    )

    (free, *_others) = offer_remedies_for(OCCUPIED, "first", get_slot())

    assert [(each.pid, each.name, each.used_bytes) for each in free.holders] == [
        (12, "Xorg", 9 * GIB),
        (11, "python train.py", 2 * GIB),
    ]


def test_processes_are_those_of_the_slots_box_though_another_one_was_read_later() -> None:
    make_ready("first")
    SwitcherPresence.objects.update(box="docker:A", host="switcher-1")
    mine, other = make_slot("mine", box="docker:A"), make_slot("other", box="docker:B", box_host="box-b")
    read_cards(GpuProcess(11, GIB, "of A"), host="switcher-1")
    read_cards(GpuProcess(12, GIB, "of B"), host="box-b")

    found = offer_remedies([Failure(OCCUPIED, "first", mine), Failure(OCCUPIED, "first", other)])

    assert [[each.name for each in offers[0].holders] for offers in found] == [["of A"], ["of B"]]


def test_processes_on_cards_of_another_slot_are_left_out() -> None:
    make_ready("first")
    right = GpuReading(1, "RTX 3090", uuid="GPU-1", processes=(GpuProcess(12, GIB, "right"),))
    read_cards(GpuProcess(11, GIB, "left"), more=(right,))

    (free, *_others) = offer_remedies_for(OCCUPIED, "first", make_slot("right", gpus=["GPU-1"]))

    assert [each.name for each in free.holders] == ["right"]


def test_card_that_nobody_else_holds_is_said_to_be_free() -> None:
    make_ready("first")
    read_cards()

    (free, *_others) = offer_remedies_for(OCCUPIED, "first", get_slot())

    assert free.holders == ()
    assert "no process of others" in free.hint


def test_cards_that_were_not_read_are_not_said_to_be_free() -> None:
    make_ready("first")

    (free, *_others) = offer_remedies_for(OCCUPIED, "first", get_slot())

    assert "not known" in free.hint


def test_deleted_profile_leaves_only_what_needs_none() -> None:
    assert [str(offer.remedy.kind) for offer in offer_remedies_for(OCCUPIED, "gone", get_slot())] == [
        "free_gpu"
    ]


def test_command_line_says_what_can_be_done_with_the_commands_for_it() -> None:
    (first,) = make_ready("first")
    read_cards(GpuProcess(12, 9 * GIB, "Xorg"))

    failed = describe_end(fail(ask("first")))
    occupied = describe_end(advance(ask("first"), SwitchState.REJECTED, root_cause=OCCUPIED.serialise()))

    assert "What can be done:" in failed
    assert (
        "- Retry with max_model_len 2,048 and keep it: manage.py switch_model first --max-model-len" in failed
    )
    assert f"- Edit the profile: /admin/modelops/modelprofile/{first.pk}/change/" in failed
    assert "- Free the card: manage.py gpu_status" in occupied
    assert "GPU 0: 12 Xorg, 9.00 GiB" in occupied


def test_commands_of_another_slot_name_it() -> None:
    make_ready("first")

    offers = offer_remedies_for(describe_cause(Cause.KILLED), "first", make_slot("left"))

    assert offers[0].command == "manage.py switch_model first --slot left"

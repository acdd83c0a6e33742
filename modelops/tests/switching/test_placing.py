"""Slots as operators make, change and retire them: no card is two slots', whoever asks at the same time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent
from gateway.errors import GatewayError, InvalidRequest, NotFound, SlotRefused
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import SwitchState
from modelops.hardware import GpuReading, HardwareReading
from modelops.hardware.sampling import record_reading
from modelops.models import Slot, SwitcherPresence
from modelops.switching.placing import SlotWish, change_slot, create_slot
from modelops.switching.requests import preview_switch, request_switch
from modelops.switching.retiring import retire_slot
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import save_simulated
from modelops.tests.serving.slot_rows import flip, make_engine, make_switch
from modelops.tests.switch_rows import FACTS, SHELL

pytestmark = pytest.mark.django_db

FIRST, SECOND = "GPU-00000000-0000-0000-0000-000000000001", "GPU-00000000-0000-0000-0000-000000000002"


def make_box(name: str = "one", *, cards: tuple[str, ...] = (FIRST, SECOND)) -> SwitcherPresence:
    """A box whose switcher is heard of, and what it read of its cards."""
    gpus = tuple(
        GpuReading(index, "RTX 3090", uuid, total_bytes=24 * 2**30, free_bytes=24 * 2**30)
        for index, uuid in enumerate(cards)
    )
    record_reading(HardwareReading(timezone.now(), gpus=gpus), host=f"switcher-{name}")
    return SwitcherPresence.objects.create(
        host=f"switcher-{name}",
        pid=1,
        box=f"docker:{name}",
        box_host=f"host-{name}",
        slots=[],
        facts=FACTS,
        seen_at=timezone.now() + timedelta(hours=1),
    )


def narrow_default(*gpus: str) -> None:
    change_slot("default", SlotWish(gpus=gpus), SHELL)


def refuse(slug: str, **wish: Any) -> str:
    with pytest.raises(GatewayError) as refused:
        create_slot(slug, SlotWish(**wish), SHELL)
    return refused.value.message


def test_slot_gets_its_cards_by_uuid_and_the_only_box_there_is() -> None:
    make_box()
    narrow_default("0")

    made = create_slot("second", SlotWish(gpus=["1"], runtime="process"), SHELL).slot

    made.refresh_from_db()
    assert (made.gpus, made.runtime, made.box, made.box_host) == (
        [SECOND],
        "process",
        "docker:one",
        "host-one",
    )
    event = AuditEvent.objects.get(action="slot_created")
    assert event.changes["gpus"] == [None, [SECOND]]


def test_card_of_another_slot_is_refused_with_its_name_by_every_way_there_is() -> None:
    make_box()
    every = refuse("second", gpus=["1"])
    narrow_default("0")
    create_slot("second", SlotWish(gpus=[SECOND]), SHELL)

    same = refuse("third", gpus=["1"])
    wide = refuse("third")
    with pytest.raises(SlotRefused, match=r"Slot second has GPU 1 \(RTX 3090\)"):
        change_slot("default", SlotWish(gpus=[]), SHELL)

    assert "Slot default has every card" in every
    assert "manage.py slot change default --gpus" in every
    assert "Slot second has GPU 1 (RTX 3090); slots share no card." in same
    assert "has GPU" in wide
    assert sorted(Slot.objects.values_list("slug", flat=True)) == ["default", "second"]


def test_profile_that_names_the_card_of_another_slot_is_refused_in_the_plan() -> None:
    make_box()
    narrow_default("0")
    create_slot("second", SlotWish(gpus=["1"]), SHELL)
    profile = save_simulated("a")
    type(profile).objects.filter(pk=profile.pk).update(
        engine="vllm", repository="somebody/a", gpu_selection=["1"], tensor_parallel_size=1
    )

    plan = preview_switch(SwitchRequest("a"))
    forced = preview_switch(SwitchRequest("a", force=True))
    allowed = preview_switch(SwitchRequest("a", slot="second"))

    assert "cards_of_another_slot" in [problem.code for problem in plan.refusals]
    assert any("Slot second has GPU 1" in problem.message for problem in forced.refusals)
    assert "cards_of_another_slot" not in [problem.code for problem in allowed.problems]


def test_replica_may_not_have_the_card_of_another_slot_either() -> None:
    make_box()
    narrow_default("0")
    create_slot("second", SlotWish(gpus=["1"]), SHELL)
    profile = save_simulated("a")
    type(profile).objects.filter(pk=profile.pk).update(
        engine="vllm",
        repository="somebody/a",
        gpu_selection=["0", "1"],
        tensor_parallel_size=1,
        replicas=2,
    )

    plan = preview_switch(SwitchRequest("a"))

    assert any("Slot second has GPU 1" in problem.message for problem in plan.refusals)


def test_slot_refuses_profiles_of_another_runtime_and_those_that_need_cards_it_has_not() -> None:
    make_box()
    save_simulated("a")
    create_slot("bare", SlotWish(has_gpus=False), SHELL)
    create_slot("contained", SlotWish(has_gpus=False, runtime="docker"), SHELL)

    bare = preview_switch(SwitchRequest("a", slot="bare"))
    contained = preview_switch(SwitchRequest("a", slot="contained"))

    assert bare.is_accepted
    assert [problem.code for problem in contained.refusals] == ["slot_runtime"]


def test_slot_is_made_on_the_box_that_was_chosen_where_there_are_several() -> None:
    make_box("one")
    make_box("two", cards=("GPU-00000000-0000-0000-0000-000000000003",))
    get_slot()
    Slot.objects.update(box="docker:one")

    undecided = refuse("second")
    unknown = refuse("second", box="three")
    made = create_slot("second", SlotWish(box="host-two"), SHELL).slot
    foreign = refuse("third", box="host-two", gpus=[FIRST])

    assert "host-one (docker:one); host-two (docker:two)" in undecided
    assert "Which box is 'three'?" in unknown
    assert (made.box, made.gpus) == ("docker:two", [])
    assert "host-two (docker:two) has no GPU" in foreign


@pytest.mark.parametrize("name", ["", "Upper", "-dash", "x" * 41, "a/b", "ü"])
def test_name_that_no_container_could_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        create_slot(name, SlotWish(), SHELL)


def test_card_on_which_an_engine_runs_is_not_taken_from_its_slot() -> None:
    make_box()
    slot = get_slot()
    flip(slot, make_engine(slot, "a", gpus=[SECOND]))

    with pytest.raises(SlotRefused, match=r"An engine of slot default runs on GPU 1 \(RTX 3090\)"):
        narrow_default("0")
    narrow_default("1")

    assert get_slot().gpus == [SECOND]


def test_what_served_last_does_not_come_back_on_cards_that_were_given_away() -> None:
    make_box()
    slot = get_slot()
    good = make_engine(slot, "a", gpus=[FIRST, SECOND], ended_at=timezone.now())
    Slot.objects.update(last_good_engine=good)

    narrow_default("0")

    assert get_slot().last_good_engine is None


def test_slot_is_neither_changed_nor_retired_while_a_switch_is_under_way() -> None:
    make_box()
    narrow_default("0")
    slot = create_slot("second", SlotWish(gpus=["1"]), SHELL).slot
    make_switch(slot, None, "a", SwitchState.LOADING)

    with pytest.raises(SlotRefused, match="A switch to a is under way in slot second"):
        change_slot("second", SlotWish(runtime="process"), SHELL)
    with pytest.raises(SlotRefused, match="A switch to a is under way in slot second"):
        retire_slot("second", SHELL, stop=True)


def test_slot_that_serves_is_retired_only_by_saying_so_and_its_history_stays() -> None:
    make_box()
    narrow_default("0")
    slot = create_slot("second", SlotWish(gpus=["1"]), SHELL).slot
    flip(slot, make_engine(slot, "a"))

    with pytest.raises(SlotRefused, match="Slot second serves a"):
        retire_slot("second", SHELL)
    retire_slot("second", SHELL, stop=True)

    slot.refresh_from_db()
    assert slot.retiring_at is not None
    assert slot.retired_at is None
    save_simulated("b")
    assert [p.code for p in preview_switch(SwitchRequest("b", slot="second")).refusals] == ["slot_retiring"]
    with pytest.raises(SlotRefused, match="being retired"):
        change_slot("second", SlotWish(gpus=["1"], runtime="docker"), SHELL)


def test_slot_without_engine_is_retired_at_once_and_its_name_can_be_taken_up_again() -> None:
    make_box()
    narrow_default("0")
    slot = create_slot("second", SlotWish(gpus=["1"]), SHELL).slot
    make_engine(slot, "a", ended_at=timezone.now())

    retire_slot("second", SHELL)
    with pytest.raises(NotFound, match="There is no slot 'second'"):
        get_slot("second")
    again = create_slot("second", SlotWish(has_gpus=False), SHELL).slot

    assert again.pk == slot.pk
    assert get_slot("second").engines.count() == 1
    assert list(AuditEvent.objects.filter(action__startswith="slot_").values_list("action", flat=True)) == [
        "slot_created",
        "slot_retired",
        "slot_created",
        "slot_changed",
    ]


def test_default_slot_stays() -> None:
    with pytest.raises(SlotRefused, match="default slot stays"):
        retire_slot("default", SHELL)


def test_slot_of_a_box_that_is_gone_is_retired_by_force_with_what_was_under_way() -> None:
    here = make_box()
    slot = Slot.objects.create(slug="lost", box="docker:gone", gpus=[SECOND])
    flip(slot, make_engine(slot, "a"))
    switch = make_switch(slot, None, "b", SwitchState.LOADING)

    retire_slot("lost", SHELL, force=True)

    slot.refresh_from_db()
    switch.refresh_from_db()
    assert slot.retired_at is not None
    assert switch.state == SwitchState.CANCELLED
    assert not slot.engines.filter(ended_at=None).exists()
    here.slots = [str(create_slot("heard", SlotWish(has_gpus=False), SHELL).slot.pk)]
    here.save()
    with pytest.raises(SlotRefused, match="has been heard of"):
        retire_slot("heard", SHELL, force=True)


def test_dry_run_refuses_the_same_and_writes_nothing() -> None:
    make_box()
    narrow_default("0")

    made = create_slot("second", SlotWish(gpus=["1"]), SHELL, dry_run=True)
    with pytest.raises(SlotRefused):
        create_slot("second", SlotWish(gpus=["0"]), SHELL, dry_run=True)

    assert made.slot.gpus == [SECOND]
    assert Slot.objects.count() == 1
    assert not AuditEvent.objects.filter(action="slot_created").exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_a_slot_of_the_same_card_at_once_one_wins() -> None:
    make_box()
    narrow_default("0")
    start = threading.Barrier(2)
    said: list[str] = []

    def make(slug: str) -> None:
        start.wait(10)
        try:
            create_slot(slug, SlotWish(gpus=["1"]), SHELL)
        except SlotRefused as exc:
            said.append(exc.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(slug,)) for slug in ("second", "third")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    winner = Slot.objects.exclude(slug="default").get()
    assert said == [f"Slot {winner.slug} has GPU 1 (RTX 3090); slots share no card."]


def test_switch_is_asked_for_in_the_slot_that_was_made() -> None:
    make_box()
    save_simulated("a")
    create_slot("second", SlotWish(has_gpus=False), SHELL)

    switch = request_switch(SwitchRequest("a", slot="second"), SHELL).switch

    assert switch is not None
    assert switch.slot.slug == "second"

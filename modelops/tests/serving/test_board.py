"""The board as it is read from rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from modelops.domain.switching.states import SwitchState
from modelops.domain.tasks import ModelTask
from modelops.models import Engine, EngineState, Gate, ModelProfile, Slot, Switch
from modelops.serving.board import BoardSnapshot, Price, SlotView, read_board
from modelops.serving.start_history import Restart
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot, make_switch, move_gate, move_switch

pytestmark = pytest.mark.django_db


def read(last: BoardSnapshot | None = None) -> BoardSnapshot:
    return read_board([last])[0]


def read_slot() -> SlotView:
    slot = read().default
    assert slot is not None
    return slot


def read_again(switch: Switch) -> Switch:
    switch.refresh_from_db()
    return switch


def make_profile(slug: str, **values: Any) -> ModelProfile:
    return ModelProfile.objects.create(
        slug=slug, display_name=slug, engine="simulator", runtime="process", **values
    )


def test_a_slot_is_seen_with_its_engine_its_limits_and_its_price() -> None:
    row = make_slot(desired_profile="a")
    limits = {"max_output_tokens": 256, "max_concurrent_requests": 4}
    price = {"cost_per_million_prompt_tokens": 0.5, "cost_per_million_completion_tokens": None}
    flip(row, make_engine(row, "a", "http://engine:1", names=["alias"], spec=limits | price))

    slot = read_slot()

    assert (slot.slug, slot.epoch, slot.gate, slot.desired_profile) == ("default", 1, Gate.OPEN, "a")
    assert slot.is_settled
    assert slot.engine is not None
    assert (slot.engine.model_name, slot.engine.names) == ("a", ("a", "alias"))
    assert (slot.engine.base_url, slot.engine.max_model_len) == ("http://engine:1", 4096)
    assert (slot.engine.max_output_tokens, slot.engine.max_concurrent_requests) == (256, 4)
    assert slot.engine.price == Price(0.5, 0.0)


def test_an_empty_database_is_an_empty_board() -> None:
    assert read() == BoardSnapshot()


def test_a_switch_is_seen_with_the_names_on_both_sides_until_it_ends() -> None:
    make_profile("b", served_model_name="B-7B", aliases=["bee"])
    row = make_slot()
    old = make_engine(row, "a", names=["a", "alias"])
    flip(row, old)
    switch = make_switch(row, old, "b", SwitchState.LOADING, phase="weights", percent=40)

    seen = read_slot().switch
    assert seen is not None
    assert (seen.id, seen.state, seen.phase, seen.percent) == (switch.id, "loading", "weights", 40)
    assert (seen.from_profile, seen.from_names) == ("a", ("a", "alias"))
    assert (seen.to_profile, set(seen.to_names)) == ("b", {"b", "B-7B", "bee"})

    move_switch(switch, SwitchState.ACTIVE)
    assert read_slot().switch is None


def test_the_new_engines_own_names_count_once_it_is_started() -> None:
    row = make_slot()
    make_switch(row, None, "b", SwitchState.LOADING, new_engine=make_engine(row, "b", names=["b", "new"]))

    seen = read_slot().switch

    assert seen is not None
    assert (seen.from_profile, seen.from_names, seen.to_names) == ("", (), ("b", "new"))


def test_what_acts_comes_before_what_waits_for_its_turn() -> None:
    row = make_slot()
    make_switch(row, None, "second", SwitchState.REQUESTED)
    make_switch(row, None, "first", SwitchState.LOADING)

    assert [switch.to_profile for switch in read_slot().switches] == ["first", "second"]


def test_only_enabled_profiles_can_be_asked_for_and_a_slug_is_its_own_profiles() -> None:
    make_profile("a", aliases=["shared"])
    make_profile("shared")
    make_profile("off", is_enabled=False)

    assert read().profiles == {"a": "a", "shared": "shared"}


def test_an_unchanged_board_takes_two_queries_and_is_the_same(django_assert_num_queries: Any) -> None:
    make_profile("a")
    rows = [make_slot(), make_slot("second")]
    for row in rows:
        flip(row, make_engine(row, f"model-of-{row.slug}"))
    make_switch(rows[0], None, "a")
    before = read()

    with django_assert_num_queries(3):
        now = read(before)

    assert now is before
    assert read() == before


def test_names_of_profiles_are_those_of_now() -> None:
    before = read()
    make_profile("new")

    assert before.profiles == {}
    assert read(before).profiles == {"new": "new"}


def test_an_engine_is_read_again_when_the_epoch_says_so() -> None:
    row = make_slot()
    engine = make_engine(row, "a", names=["a"])
    flip(row, engine)
    before = read()

    Engine.objects.filter(pk=engine.pk).update(names=["a", "further"])
    move_gate(row, Gate.OPEN)
    slot = read(before).default

    assert slot is not None
    assert slot.engine is not None
    assert slot.engine.names == ("a", "further")


@pytest.mark.parametrize(
    ("plan", "expected"), [({"typical_seconds": 40.0}, 40.0), ({"typical_seconds": None}, None), (None, None)]
)
def test_a_switch_is_seen_with_what_its_starts_usually_take(plan: Any, expected: float | None) -> None:
    row = make_slot()
    made = make_switch(row, None, "b", plan=plan)

    switch = read_slot().switch

    assert switch is not None
    assert (switch.typical_seconds, switch.state_since) == (expected, read_again(made).state_since)


@pytest.mark.parametrize(
    "change",
    [
        lambda slot: move_gate(slot, Gate.CLOSED),
        lambda slot: move_gate(slot, Gate.OPEN, active_engine=None),
        lambda slot: Slot.objects.update(problem={"message": "broken"}),
        lambda slot: Switch.objects.update(percent=50),
        lambda slot: Switch.objects.update(ready_expected_at=timezone.now()),
        lambda slot: make_slot("second"),
    ],
)
def test_whatever_matters_to_requests_makes_another_board(change: Any) -> None:
    row = make_slot()
    engine = make_engine(row, "a")
    flip(row, engine)
    make_switch(row, engine, "b")
    before = read()

    change(row)

    assert read(before) != before


@pytest.mark.parametrize(
    ("last", "restart"),
    [
        (SwitchState.ACTIVE, Restart(12.0)),
        (SwitchState.ROLLED_BACK, Restart(12.0)),
        (SwitchState.DEGRADED, None),
        (SwitchState.REJECTED, None),
    ],
)
def test_a_restart_is_expected_of_what_served_and_not_of_what_failed_to_start(
    last: SwitchState, restart: Restart | None
) -> None:
    retry_at = timezone.now()
    row = make_slot(desired_profile="a", problem={"message": "it ended"}, retry_at=retry_at)
    make_engine(row, "a", phase_seconds={"weights": 10.0, "warmup": 2.0})
    move_switch(make_switch(row, None, "a"), last)

    slot = read_slot()

    assert (slot.restart, slot.retry_at) == (restart, retry_at)


def test_engine_is_seen_with_the_adapters_and_tasks_of_its_cards() -> None:
    row = make_slot()
    cards = [
        {"id": "a", "parent": None, "tasks": ["generate", "transcribe"]},
        {"id": "tuned", "parent": "a", "tasks": ["generate", "transcribe"]},
    ]
    flip(row, make_engine(row, "a", "http://engine:1", names=["alias"], cards=cards))

    seen = read_slot().engine

    assert seen is not None
    assert (seen.names, seen.adapters) == (("a", "alias", "tuned"), frozenset({"tuned"}))
    assert seen.tasks == (ModelTask.GENERATE, ModelTask.TRANSCRIBE)


def test_engine_that_tells_no_tasks_has_those_of_its_profile() -> None:
    row = make_slot()
    config = {"architectures": ["BertModel"]}
    flip(row, make_engine(row, "a", "http://engine:1", spec={"engine": "vllm", "config": config}))

    seen = read_slot().engine

    assert seen is not None
    assert seen.tasks == (ModelTask.EMBED, ModelTask.RERANK, ModelTask.POOL)


def test_adapters_of_profiles_are_known_before_they_are_served() -> None:
    row = make_slot()
    make_profile("base", enable_lora=True, lora_adapters={"tuned": "maker/tuned"})
    make_switch(row, None, "base")

    seen = read()

    assert seen.profiles["tuned"] == "base"
    assert seen.default is not None
    assert seen.default.switch is not None
    assert "tuned" in seen.default.switch.to_names


def test_replicas_are_seen_beside_their_leader_until_they_leave() -> None:
    row = make_slot()
    leader = make_engine(row, "a", "http://one:1", names=["a", "alias"], spec={"max_output_tokens": 9})
    follower = make_engine(row, "a", "http://two:2", replica=1)
    starting = make_engine(row, "a", "http://three:3", replica=2, state=EngineState.STARTING)
    flip(row, leader)
    Engine.objects.filter(pk=follower.pk).update(state=EngineState.SERVING)
    move_gate(row, Gate.OPEN)
    before = read()
    both = read_slot()

    Engine.objects.filter(pk=follower.pk).update(leaving_since=timezone.now())
    unannounced = read(before).default
    move_gate(row, Gate.OPEN)
    after = read(before).default

    assert [each.base_url for each in both.engines] == ["http://one:1", "http://two:2"]
    assert (both.followers[0].names, both.followers[0].max_output_tokens) == (("a", "alias"), 9)
    assert starting.pk not in {each.id for each in both.engines}
    assert unannounced is not None
    assert unannounced.engines == both.engines
    assert after is not None
    assert [each.base_url for each in after.engines] == ["http://one:1"]

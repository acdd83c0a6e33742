"""A switch that an earlier version began is carried on by this one."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.conf import get_config
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Slot, Switch
from modelops.switcher.lease import SlotLease
from modelops.switcher.ledger import Ledger
from modelops.switcher.transitions import Transitions
from modelops.switcher.workloads import read_engine_recipe, to_workload
from modelops.tests.domain.stored_recipes import STORED_RECIPE

pytestmark = pytest.mark.django_db


def begin_switch(state: SwitchState, **values: Any) -> tuple[Slot, Switch, Transitions]:
    """A switch in the midst of its way, by the lease that acts for its slot."""
    slot = Slot.objects.create(slug="default")
    switch = Switch.objects.create(
        slot=slot,
        to_profile="a",
        state=state,
        drain_timeout_s=1,
        drain_policy="cut",
        **{"recipe": STORED_RECIPE, **values},
    )
    lease = SlotLease(slot.pk, holder="test", length_s=60)
    assert lease.hold()
    return slot, switch, Transitions(Ledger(slot.pk, lease))


def test_the_engine_that_an_earlier_version_planned_is_started() -> None:
    slot, switch, transitions = begin_switch(SwitchState.CLEARING)

    transitions.move(slot, switch, SwitchState.STARTING)

    engine = Engine.objects.get()
    recipe = read_engine_recipe(engine)
    workload = to_workload(recipe, get_config(), name=engine.name, slot=slot, generation=engine.generation)
    assert engine.profile == "a"
    assert engine.spec == STORED_RECIPE["spec"]
    assert engine.names == STORED_RECIPE["names"]
    assert engine.estimate == STORED_RECIPE["estimate"]
    assert workload.is_simulated
    assert list(workload.arguments) == STORED_RECIPE["arguments"]
    assert workload.environment == STORED_RECIPE["environment"]
    assert workload.gpu_uuids == ("GPU-1",)


def test_the_sleeping_engine_that_an_earlier_version_planned_to_wake_is_taken() -> None:
    slot, switch, transitions = begin_switch(
        SwitchState.CLEARING, recipe={**STORED_RECIPE, "wakes": "sleeper-1"}
    )
    sleeper = Engine.objects.create(slot=slot, generation=1, name="sleeper-1", runtime="process", spec={})

    transitions.move(slot, switch, SwitchState.STARTING)

    switch.refresh_from_db()
    assert switch.new_engine == sleeper


def test_another_try_keeps_what_an_earlier_version_stored() -> None:
    slot, switch, transitions = begin_switch(SwitchState.LOADING)

    transitions.retry(slot, switch, ["serve", "a", "--max-model-len", "2048"], 2048)

    switch.refresh_from_db()
    spec = {**STORED_RECIPE["spec"], "max_model_len": 2048}
    arguments = ["serve", "a", "--max-model-len", "2048"]
    kept = {**STORED_RECIPE, "starts_beside": False}  # came later, and takes its default
    assert switch.recipe == {**kept, "spec": spec, "arguments": arguments}

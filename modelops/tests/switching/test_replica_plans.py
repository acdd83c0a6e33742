"""Plans for profiles with replicas: when they roll, and whether there are cards for all of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from modelops.domain.fit.specs import GIB, Gpu
from modelops.domain.switching.request import SwitchRequest
from modelops.fit.gpu_choice import choose_given
from modelops.fit.replica_cards import choose_cards_of_one
from modelops.models import EngineState, ModelProfile
from modelops.switching.planning import plan_switch
from modelops.switching.requests import preview_switch
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import save_profile
from modelops.tests.switch_rows import announce_switcher
from modelops.tests.switching.test_replica_status import serve_with_followers

pytestmark = pytest.mark.django_db

LARGE, SMALL = (Gpu("NVIDIA GeForce RTX 3090", size * GIB, size * GIB, (8, 6)) for size in (24, 12))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"max_model_len": 2048}, "roll"),
        ({"max_output_tokens": 9}, "rename"),
        ({"replicas": 3}, "rename"),
        ({"max_model_len": 2048, "aliases": ["other"]}, "start"),
        ({"max_model_len": 2048, "replicas": 1}, "start"),
        ({}, "nothing"),
    ],
)
def test_other_flags_of_the_same_model_roll(changes: dict[str, Any], kind: str) -> None:
    serve_with_followers(EngineState.SERVING)

    ModelProfile.objects.update(**changes)

    assert str(preview_switch(SwitchRequest("a")).kind) == kind


@pytest.mark.parametrize("state", [EngineState.STARTING, EngineState.ENDED])
def test_without_another_replica_that_answers_nothing_rolls(state: EngineState) -> None:
    serve_with_followers(state)

    ModelProfile.objects.update(max_model_len=2048)

    assert str(preview_switch(SwitchRequest("a")).kind) == "start"


@pytest.mark.parametrize(("cards", "codes"), [(4, []), (3, ["too_few_gpus"]), (1, ["too_few_gpus"])])
def test_a_plan_needs_cards_for_every_replica(cards: int, codes: list[str]) -> None:
    announce_switcher()
    profile = save_profile("a", replicas=2, tensor_parallel_size=2)

    plan = plan_switch(get_slot(), profile, choice=choose_given([LARGE] * cards))

    assert [problem.code for problem in plan.problems if problem.code == "too_few_gpus"] == codes
    assert len(plan.gpu_uuids) == min(cards, 2)


def test_each_replica_gets_its_share_of_the_cards_and_the_weakest_decides() -> None:
    spec = save_profile("a", replicas=2, tensor_parallel_size=None).to_spec()
    mixed = (LARGE, LARGE, SMALL, SMALL)

    assert choose_cards_of_one(spec, mixed) == (SMALL, SMALL)
    assert choose_cards_of_one(spec, (LARGE, SMALL)) == (SMALL,)
    assert choose_cards_of_one(spec, ()) == ()
    assert choose_cards_of_one(spec, None) is None
    assert choose_cards_of_one(save_profile("b").to_spec(), mixed) == mixed


@pytest.mark.parametrize(
    "values",
    [
        {"runtime": "external", "replicas": 2},
        {"gpu_selection": ["0"], "replicas": 2, "tensor_parallel_size": 1},
        {"replicas": 0},
        {"replicas": 17},
    ],
)
def test_replicas_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        save_profile("a", **values)

    assert "replicas" in caught.value.error_dict

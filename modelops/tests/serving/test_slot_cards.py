"""A slot with cards of its own: what fits is judged on these, not on the machine's others."""

from __future__ import annotations

import pytest

from modelops.domain.fit.specs import MIB, Gpu
from modelops.domain.switching.plan import Plan
from modelops.fit.gpu_choice import choose_given
from modelops.models import ModelProfile, Slot
from modelops.switching.planning import plan_switch
from modelops.tests.profiles.profile_examples import CONFIG

SMALL = Gpu("RTX 3070", 8192 * MIB, compute_capability=(8, 6))
LARGE = Gpu("H100", 81559 * MIB, compute_capability=(9, 0))


def plan_on(*cards: Gpu, slot_gpus: list[str]) -> Plan:
    profile = ModelProfile(
        slug="llama",
        display_name="Llama",
        repository="somebody/llama",
        image="vllm/vllm-openai:v0.11.0",
        config=CONFIG,
        max_model_len=4096,
        tensor_parallel_size=1,
    )
    slot = Slot(slug="second", gpus=slot_gpus)
    return plan_switch(slot, profile, choice=choose_given(cards), runtime_facts={"docker": {"problem": ""}})


@pytest.mark.django_db
def test_a_model_too_large_for_the_slots_card_does_not_fit_though_another_card_would_hold_it() -> None:
    plan = plan_on(LARGE, SMALL, slot_gpus=["1"])

    assert plan.fit["verdict"] == "does_not_fit"


@pytest.mark.django_db
def test_a_small_card_beside_the_slots_own_refuses_nothing() -> None:
    plan = plan_on(SMALL, LARGE, slot_gpus=["1"])

    assert plan.fit["verdict"] == "fits"
    assert plan.is_accepted
    assert plan.gpu_uuids == ("1",)

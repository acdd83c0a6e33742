"""A recipe is read as it was stored, also by an older version."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.domain.switching.recipe import ENGINE_FIELDS, Recipe
from modelops.tests.domain.stored_recipes import STORED_RECIPE


def read(**changes: Any) -> Recipe:
    return Recipe.from_json({**STORED_RECIPE, **changes})


def with_spec(**changes: Any) -> Recipe:
    return read(spec={**STORED_RECIPE["spec"], **changes})


def test_a_stored_recipe_is_written_again_as_it_was() -> None:
    assert read().to_json() == STORED_RECIPE


def test_what_an_older_row_lacks_takes_its_default_and_unknown_keys_are_passed_over() -> None:
    needed = ("profile", "spec", "model_name", "names", "runtime", "arguments")
    old = {name: STORED_RECIPE[name] for name in needed}

    recipe = Recipe.from_json({**old, "colour": "green"})

    assert (recipe.wakes, recipe.parks_old, recipe.keeps_sleepers) == ("", False, False)
    assert (recipe.image_digest, recipe.gpus, recipe.environment) == ("", (), {})


def test_a_row_without_arguments_is_no_recipe() -> None:
    values = {name: value for name, value in STORED_RECIPE.items() if name != "arguments"}

    with pytest.raises(ValueError, match="arguments"):
        Recipe.from_json(values)


def test_an_engine_row_gets_everything_but_what_sleeps() -> None:
    values = read(wakes="vllm-default-1").to_engine_values()

    assert set(values) == set(ENGINE_FIELDS)
    assert {name: STORED_RECIPE[name] for name in ENGINE_FIELDS} == values


def test_another_context_changes_settings_and_arguments_together() -> None:
    shorter = read().with_context(2048, ["serve", "a", "--max-model-len", "2048"])

    assert shorter.least_context == 2048
    assert shorter.arguments[-1] == "2048"
    assert shorter.spec["slug"] == "a"


@pytest.mark.parametrize(
    ("flags", "is_pooling"), [({}, False), ({"runner": "generate"}, False), ({"runner": "pooling"}, True)]
)
def test_a_pooling_engine_is_told_by_its_runner(flags: dict[str, Any], is_pooling: bool) -> None:
    assert with_spec(extra_flags=flags).is_pooling is is_pooling


@pytest.mark.parametrize(
    ("image", "given", "share"),
    [
        ("vllm/vllm-openai:v0.19.0", None, 0.9),
        ("vllm/vllm-openai:v0.20.0", None, 0.92),
        ("vllm/vllm-openai:latest", None, 0.92),
        ("vllm/vllm-openai:v0.20.0", 0.5, 0.5),
    ],
)
def test_share_of_a_card_that_nobody_gave_is_the_default_of_the_version(
    image: str, given: float | None, share: float
) -> None:
    spec = {**STORED_RECIPE["spec"], "gpu_memory_utilization": given}

    assert read(image=image, spec=spec).gpu_memory_utilization == share


def test_what_a_profile_leaves_open_is_left_open() -> None:
    recipe = read(spec=to_values(ProfileSpec(slug="a", display_name="A", repository="somebody/a")))

    assert recipe.least_context is None
    assert recipe.weights_bytes is None
    assert not recipe.can_sleep
    assert not recipe.is_simulated
    assert recipe.shutdown_timeout_s == 30.0

"""Recipes as rows hold them, and as workloads that a runtime starts."""

from __future__ import annotations

from gateway.conf import GatewayConfig
from modelops.domain.switching.recipe import ENGINE_FIELDS, Recipe
from modelops.models import Engine, Slot, Switch
from modelops.runtimes.base import Workload


def find_recipe(switch: Switch) -> Recipe | None:
    """The recipe of the switch's accepted plan; None before there is one."""
    return Recipe.from_json(switch.recipe) if switch.recipe else None


def get_recipe(switch: Switch) -> Recipe:
    """The recipe of a switch whose plan was accepted. Raises ValueError for any other."""
    recipe = find_recipe(switch)
    if recipe is None:
        raise ValueError(f"the switch {switch.pk} has no recipe")
    return recipe


def read_engine_recipe(engine: Engine) -> Recipe:
    """The recipe of an engine that ran before: its recorded image and flags, not its profile's of today."""
    return Recipe.from_json({name: getattr(engine, name) for name in ENGINE_FIELDS})


def name_engine(slot: Slot, generation: int) -> str:
    """No two databases on one machine share a slot's id, whose end is random."""
    return f"vllm-{slot.slug}-{slot.id.hex[-8:]}-{generation}"


def to_workload(recipe: Recipe, config: GatewayConfig, *, name: str, slot: Slot, generation: int) -> Workload:
    """What a runtime is given to start: the recipe with the slot's labels and the secrets of `config`."""
    secrets = {"HF_TOKEN": config.hf_token, "VLLM_API_KEY": config.vllm_api_key}
    return Workload(
        name=name,
        slot_id=str(slot.id),
        generation=generation,
        profile=recipe.profile,
        is_simulated=recipe.is_simulated,
        arguments=recipe.arguments,
        environment=recipe.environment,
        secret_environment={key: value for key, value in secrets.items() if value},
        image=recipe.image_digest or recipe.image,
        gpu_uuids=recipe.gpus,
    )

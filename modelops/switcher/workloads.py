"""Recipes as rows hold them, and as workloads that a runtime starts."""

from __future__ import annotations

from gateway.conf import GatewayConfig
from modelops.domain.engine_log.causes import Cause
from modelops.domain.profiles.stored_arguments import find_stored_problems
from modelops.domain.switching.plan import PlanKind
from modelops.domain.switching.recipe import ENGINE_FIELDS, Recipe
from modelops.models import Engine, Slot, Switch
from modelops.runtimes.base import RuntimeFailure, Workload


def find_recipe(switch: Switch) -> Recipe | None:
    """The recipe of the switch's accepted plan; None before there is one."""
    return Recipe.from_json(switch.recipe) if switch.recipe else None


def get_recipe(switch: Switch) -> Recipe:
    """The recipe of a switch whose plan was accepted. Raises ValueError for any other."""
    recipe = find_recipe(switch)
    if recipe is None:
        raise ValueError(f"the switch {switch.pk} has no recipe")
    return recipe


def is_roll(switch: Switch) -> bool:
    """Whether its new engine takes the place of one replica, while the others serve."""
    return (switch.plan or {}).get("kind") == PlanKind.ROLL


def read_engine_recipe(engine: Engine) -> Recipe:
    """The recipe of an engine that ran before: its recorded image and flags, not its profile's of today."""
    return Recipe.from_json({name: getattr(engine, name) for name in ENGINE_FIELDS})


def name_engine(slot: Slot, generation: int) -> str:
    """No two databases on one machine share a slot's id, whose end is random."""
    return f"vllm-{slot.slug}-{slot.id.hex[-8:]}-{generation}"


def to_workload(
    recipe: Recipe, config: GatewayConfig, *, name: str, slot: Slot, generation: int, api_key: str = ""
) -> Workload:
    """What a runtime is given to start: the recipe with the slot's labels, the engine's key, the hub's token.

    Raises RuntimeFailure where the recipe, which a row held, is not what a profile may set.
    """
    trusted = config.trust_remote_code_repositories
    if problems := find_stored_problems(recipe.arguments, recipe.environment, trusted_repositories=trusted):
        raise RuntimeFailure("; ".join(str(each) for each in problems[:3]), code=Cause.RECIPE_REFUSED)
    return Workload(
        name=name,
        slot_id=str(slot.id),
        generation=generation,
        profile=recipe.profile,
        is_simulated=recipe.is_simulated,
        arguments=recipe.arguments,
        environment=recipe.environment,
        secret_environment={"VLLM_API_KEY": api_key} if api_key else {},
        hub_environment={"HF_TOKEN": config.hf_token} if config.hf_token else {},
        image=recipe.image_digest or recipe.image,
        image_name=recipe.image,
        gpu_uuids=recipe.gpus,
        accelerator_type=recipe.accelerator_type,
        replicas=recipe.replicas,
        max_replicas=recipe.max_replicas,
    )

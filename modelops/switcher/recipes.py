"""From an accepted plan to the row of an engine, and from that row to what a runtime starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.conf import GatewayConfig
from modelops.domain.profiles.engine_args import build_environment
from modelops.domain.profiles.spec import EngineKind, ProfileSpec, to_values
from modelops.domain.switching.plan import Plan
from modelops.models import Engine, Slot
from modelops.runtimes.base import Workload

POOLING_TASKS = ("embed", "classify", "score", "pooling", "reward")

RECORDED = (
    *("profile", "spec", "model_name", "names", "runtime", "arguments", "environment", "image"),
    *("image_digest", "gpus", "gpu_name", "estimate"),
)
"""What a later start of just the same engine needs."""


def build_recipe(plan: Plan, spec: ProfileSpec) -> dict[str, Any]:
    """The values of an engine's row, but for those that come with its start."""
    return {
        "profile": spec.slug,
        "spec": to_values(spec),
        "model_name": spec.served_names[0],
        "names": list(spec.served_names),
        "runtime": spec.runtime,
        "arguments": list(plan.arguments),
        "environment": build_environment(spec),
        "image": spec.image,
        "image_digest": "",
        "gpus": list(plan.gpu_uuids),
        "gpu_name": plan.gpu_name,
        "estimate": dict(plan.estimate),
    }


def copy_recipe(engine: Engine) -> dict[str, Any]:
    """The recipe of an engine that ran before: its recorded image and flags, not its profile's of today."""
    return {name: getattr(engine, name) for name in RECORDED}


def name_engine(slot: Slot, generation: int) -> str:
    """No two databases on one machine share a slot's id, whose end is random."""
    return f"vllm-{slot.slug}-{slot.id.hex[-8:]}-{generation}"


def to_workload(
    recipe: Mapping[str, Any], config: GatewayConfig, *, name: str, slot: Slot, generation: int
) -> Workload:
    secrets = {"HF_TOKEN": config.hf_token, "VLLM_API_KEY": config.vllm_api_key}
    return Workload(
        name=name,
        slot_id=str(slot.id),
        generation=generation,
        profile=recipe["profile"],
        is_simulated=recipe["spec"].get("engine") == EngineKind.SIMULATOR,
        arguments=tuple(recipe["arguments"]),
        environment=recipe["environment"],
        secret_environment={key: value for key, value in secrets.items() if value},
        image=recipe["image_digest"] or recipe["image"],
        gpu_uuids=tuple(recipe["gpus"]),
    )


def is_pooling(spec: Mapping[str, Any]) -> bool:
    """Whether the engine embeds or classifies instead of generating."""
    flags = spec.get("extra_flags") or {}
    return flags.get("runner") == "pooling" or flags.get("task") in POOLING_TASKS


def find_least_context(spec: Mapping[str, Any]) -> int | None:
    """The context that the profile insists on; None where it takes what fits."""
    value = spec.get("max_model_len")
    return int(value) if value else None


def can_sleep(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("enable_sleep_mode"))

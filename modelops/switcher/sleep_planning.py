"""Decides whether the old engine is put to sleep or stopped: host memory has to hold its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.recipe import Recipe
from modelops.models import Engine, Slot
from modelops.switcher.workloads import read_engine_recipe

HOST_MARGIN = 1.2
"""Pinned copies and page tables come on top of the weights."""


def plan_sleep(slot: Slot, plan: Plan, recipe: Recipe) -> Recipe:
    """The recipe, and which engines sleep: what is woken, whether the old one sleeps, whether others stay."""
    active = slot.active_engine
    parks_old = (
        plan.kind in (PlanKind.START, PlanKind.WAKE)
        and active is not None
        and active.profile != recipe.profile
        and recipe.can_sleep
        and read_engine_recipe(active).can_sleep
        and has_host_memory(active)
    )
    sleeper = plan.sleeping_engine if plan.kind is PlanKind.WAKE else ""
    return replace(recipe, wakes=sleeper, parks_old=parks_old, keeps_sleepers=recipe.can_sleep)


def has_host_memory(engine: Engine) -> bool:
    """Whether this machine can take the engine's weights into memory; a simulated one has none."""
    recipe = read_engine_recipe(engine)
    if recipe.is_simulated:
        return True
    cards = max(1, len(engine.gpus))
    size = (engine.actual or {}).get("weights_bytes") or recipe.weights_bytes
    available = read_available_bytes()
    if not size or available is None:
        return False
    # What was measured is per card; what the profile says is the whole.
    whole = size * cards if (engine.actual or {}).get("weights_bytes") else size
    return bool(available > whole * HOST_MARGIN)


def read_available_bytes(path: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that can be allocated without swapping, in bytes: MemAvailable of /proc/meminfo."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None

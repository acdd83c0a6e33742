"""Decides whether the old engine is put to sleep or stopped: host memory has to hold its weights."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from gateway.conf import GatewayConfig
from modelops.domain.fit.specs import GIB
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.recipe import Recipe
from modelops.domain.switching.sleepers import HostMemory, SleepingEngine, choose_to_end, need_bytes
from modelops.models import Engine, EngineState, Slot
from modelops.serving.start_history import find_weights_bytes
from modelops.switcher.workloads import read_engine_recipe


def plan_sleep(slot: Slot, plan: Plan, recipe: Recipe, config: GatewayConfig) -> Recipe:
    """The recipe, and which engines sleep: what is woken, whether the old one sleeps, whether others stay."""
    active = slot.active_engine
    parks_old = (
        plan.kind in (PlanKind.START, PlanKind.WAKE)
        and active is not None
        and active.profile != recipe.profile
        and recipe.can_sleep
        and read_engine_recipe(active).can_sleep
        and find_room(active, config, keep=plan.sleeping_engine) is not None
    )
    sleeper = plan.sleeping_engine if plan.kind is PlanKind.WAKE else ""
    return replace(recipe, wakes=sleeper, parks_old=parks_old, keeps_sleepers=recipe.can_sleep)


def has_host_memory(engine: Engine, config: GatewayConfig) -> bool:
    """Whether this machine can take the engine's weights into memory, once others that sleep made room; a
    simulated one has none."""
    return find_room(engine, config) is not None


def find_room(engine: Engine, config: GatewayConfig, *, keep: str = "") -> tuple[str, ...] | None:
    """The sleeping engines of its slot that have to end before this one can sleep, the least recently used
    first; None where that is not enough either, or sizes are not known. `keep` is the one that wakes next."""
    if read_engine_recipe(engine).is_simulated:
        return ()
    size = find_weights_bytes(engine)
    if not size:
        return None
    memory = read_host_memory(config)
    return choose_to_end(list_sleepers(engine.slot_id), memory, needed_bytes=need_bytes(size), keep=keep)


def read_host_memory(config: GatewayConfig) -> HostMemory:
    return HostMemory(read_available_bytes(), config.sleep_reserve_gib * GIB)


def list_sleepers(slot_id: uuid.UUID) -> list[SleepingEngine]:
    rows = Engine.objects.filter(slot=slot_id, state=EngineState.ASLEEP)
    return [
        SleepingEngine(
            row.name,
            find_weights_bytes(row),
            (row.last_used_at or row.ready_at or row.created_at).timestamp(),
        )
        for row in rows
    ]


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

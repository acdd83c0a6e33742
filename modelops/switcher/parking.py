"""Whether an engine is put to sleep instead of being stopped: host memory must hold its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.models import Engine, Slot
from modelops.switcher.recipes import can_sleep

HOST_MARGIN = 1.2
"""Pinned copies and page tables come on top of the weights."""


def plan_parking(slot: Slot, spec: ProfileSpec, plan: Plan) -> dict[str, Any]:
    """The part of a recipe about sleeping: `wakes` (an engine's name), `parks_old`, `keeps_sleepers`."""
    active = slot.active_engine
    parks_old = (
        plan.kind in (PlanKind.START, PlanKind.WAKE)
        and active is not None
        and active.profile != spec.slug
        and spec.enable_sleep_mode
        and can_sleep(active.spec)
        and has_host_memory(active)
    )
    sleeper = plan.sleeping_engine if plan.kind is PlanKind.WAKE else ""
    return {"wakes": sleeper, "parks_old": parks_old, "keeps_sleepers": spec.enable_sleep_mode}


def has_host_memory(engine: Engine) -> bool:
    """Whether this machine can take the engine's weights into memory; a simulated one has none."""
    if engine.spec.get("engine") == "simulator":
        return True
    cards = max(1, len(engine.gpus))
    size = (engine.actual or {}).get("weights_bytes") or engine.spec.get("weights_bytes")
    available = read_available_bytes()
    if not size or available is None:
        return False
    # What was measured is per card; what the profile says is the whole.
    whole = size * cards if (engine.actual or {}).get("weights_bytes") else size
    return bool(available > whole * HOST_MARGIN)


def read_available_bytes(path: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that can be had without swapping, as Linux tells."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None

"""Slots, engines and switches as rows, written as the switcher writes them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from modelops.domain.switching.states import LIVE_STATES, SwitchState
from modelops.models import DEFAULT_SLOT, Engine, EngineState, Gate, Slot, Switch


def make_slot(slug: str = DEFAULT_SLOT, **values: Any) -> Slot:
    return Slot.objects.create(slug=slug, **values)


def make_engine(slot: Slot, profile: str, base_url: str = "http://127.0.0.1:1", **values: Any) -> Engine:
    """An engine that is ready, with the next generation's number."""
    slot.generation += 1
    Slot.objects.filter(pk=slot.pk).update(generation=slot.generation)
    defaults = {
        "model_name": profile,
        "names": [profile],
        "spec": {},
        "runtime": "process",
        "max_model_len": 4096,
        "cards": [{"id": profile, "object": "model", "owned_by": "vllm", "max_model_len": 4096}],
        "ready_at": timezone.now(),
    }
    return Engine.objects.create(
        slot=slot,
        generation=slot.generation,
        name=f"{slot.slug}-{slot.generation}",
        profile=profile,
        base_url=base_url,
        **defaults | values,
    )


def flip(slot: Slot, engine: Engine) -> None:
    """Point the slot to the engine and open its gate."""
    with transaction.atomic():
        Engine.objects.filter(slot=slot, state=EngineState.SERVING).update(state=EngineState.ENDED)
        Engine.objects.filter(pk=engine.pk).update(state=EngineState.SERVING)
        move_gate(slot, Gate.OPEN, active_engine=engine)


def move_gate(slot: Slot, gate: Gate, **values: Any) -> int:
    """Set the gate, and whatever else goes with it; the new epoch."""
    Slot.objects.filter(pk=slot.pk).update(gate=gate, epoch=F("epoch") + 1, **values)
    slot.refresh_from_db()
    return slot.epoch


def make_switch(
    slot: Slot,
    source: Engine | None,
    to_profile: str,
    state: SwitchState = SwitchState.PLANNED,
    **values: Any,
) -> Switch:
    return Switch.objects.create(
        slot=slot,
        from_profile=source.profile if source else "",
        old_engine=source,
        to_profile=to_profile,
        state=state,
        via=Switch.Via.COMMAND,
        drain_timeout_s=60,
        drain_policy="cut",
        **values,
    )


def move_switch(switch: Switch, state: SwitchState, **values: Any) -> None:
    ended_at = None if state in LIVE_STATES else timezone.now()
    Switch.objects.filter(pk=switch.pk).update(state=state, ended_at=ended_at, **values)

"""Boards as a test wants them: slots, engines and switches in one line each."""

from __future__ import annotations

import uuid
from typing import Any

from modelops.domain.switching.states import SwitchState
from modelops.models import DEFAULT_SLOT, Gate
from modelops.serving.board import BoardSnapshot, LiveSwitch, ServingEngine, SlotView

SLOT_IDS = {slug: uuid.uuid5(uuid.NAMESPACE_DNS, slug) for slug in (DEFAULT_SLOT, "second")}


def engine(name: str, *aliases: str, **values: Any) -> ServingEngine:
    """An engine that serves `name`, which is its profile too."""
    filled: dict[str, Any] = {
        "id": uuid.uuid5(uuid.NAMESPACE_URL, name),
        "base_url": f"http://{name}:8000",
    } | values
    return ServingEngine(profile=name, model_name=name, names=(name, *aliases), **filled)


def switch(source: str, target: str, state: SwitchState = SwitchState.LOADING, **values: Any) -> LiveSwitch:
    """A live switch from one profile to another, whose models are called as they are."""
    filled: dict[str, Any] = {"id": uuid.uuid5(uuid.NAMESPACE_OID, f"{source}:{target}")} | values
    return LiveSwitch(
        state=state,
        from_profile=source,
        from_names=(source,) if source else (),
        to_profile=target,
        to_names=(target,),
        **filled,
    )


def slot(active: ServingEngine | None = None, *switches: LiveSwitch, **values: Any) -> SlotView:
    slug = values.pop("slug", DEFAULT_SLOT)
    filled: dict[str, Any] = {"id": SLOT_IDS[slug], "epoch": 1, "gate": Gate.OPEN} | values
    return SlotView(slug=slug, engine=active, switches=switches, **filled)


def board(*slots: SlotView, profiles: tuple[str, ...] = ()) -> BoardSnapshot:
    return BoardSnapshot(slots, {name: name for name in profiles})

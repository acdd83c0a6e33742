"""Which profiles are served now, and which a switch is on its way to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.conf import get_config
from modelops.models import DEFAULT_SLOT, Slot, Switch
from modelops.serving.external_engine import get_external_engine
from modelops.switching.slot_status import find_default_status


@dataclass(frozen=True)
class ProfileStanding:
    """What slots do with one profile. `switch_id` is the newest live switch to it."""

    slots: tuple[str, ...] = ()
    """The slugs of the slots that it serves."""
    switch_id: uuid.UUID | None = None

    @property
    def is_served(self) -> bool:
        return bool(self.slots)


IDLE = ProfileStanding()


def find_standings() -> Mapping[str, ProfileStanding]:
    """By slug, without the profiles that no slot has to do with. Two queries, however many profiles.

    The engine of VLLM_BASE_URL, where it is what serves, takes a few more.
    """
    standings: dict[str, ProfileStanding] = {}
    for slot, profile in _list_served():
        before = standings.get(profile, IDLE)
        standings[profile] = replace(before, slots=(*before.slots, slot))
    live = Switch.objects.live().order_by("created_at", "id").values_list("to_profile", "id")
    for profile, switch_id in live:
        standings[profile] = replace(standings.get(profile, IDLE), switch_id=switch_id)
    return standings


def _list_served() -> list[tuple[str, str]]:
    """Slots with the profile that each serves."""
    rows = Slot.objects.filter(active_engine__isnull=False).order_by("slug")
    served = list(rows.values_list("slug", "active_engine__profile"))
    if get_external_engine(get_config()) is None or any(slot == DEFAULT_SLOT for slot, _profile in served):
        return served
    current = find_default_status().current_profile
    return [(DEFAULT_SLOT, current), *served] if current else served

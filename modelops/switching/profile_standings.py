"""Which profiles are served now, and which a switch is on its way to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modelops.switching.slot_status import list_slot_statuses


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
    """By slug, without the profiles that no slot has to do with; from the statuses of all slots."""
    statuses = list_slot_statuses()
    standings: dict[str, ProfileStanding] = {}
    for status in statuses:
        if profile := status.current_profile:
            before = standings.get(profile, IDLE)
            standings[profile] = replace(before, slots=(*before.slots, status.slot.slug))
    live = [switch for status in statuses for switch in status.live]
    for switch in sorted(live, key=lambda switch: (switch.created_at, switch.id)):
        standings[switch.to_profile] = replace(standings.get(switch.to_profile, IDLE), switch_id=switch.id)
    return standings

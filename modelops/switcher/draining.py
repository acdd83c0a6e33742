"""Whether any web process still has answers running on a slot's engine."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from modelops.models import Slot, WebPresence

WEB_TIMEOUT = timedelta(seconds=5)
"""A web process not heard of for longer is dead, and its answers with it."""


def is_drained(slot: Slot) -> bool:
    """Every web process that lives knows of the closed gate and has no request left on the engine."""
    present = WebPresence.objects.filter(seen_at__gte=Now() - WEB_TIMEOUT)
    return all(
        _has_drained(slots.get(str(slot.pk)), slot.epoch) for slots in present.values_list("slots", flat=True)
    )


def _has_drained(entry: dict[str, int] | None, epoch: int) -> bool:
    return entry is not None and entry.get("epoch", -1) >= epoch and entry.get("open", 1) == 0

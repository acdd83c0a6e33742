"""The last hour of a slot's engine, as points of charts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from modelops.desk.serving_parts import describe_load
from modelops.models import EngineLoad

SHOWN = timedelta(hours=1)
MOST_POINTS = 400
"""More than a chart has pixels for; a busy hour has 1,800 samples."""


def list_load_points(slot: str, now: datetime) -> list[dict[str, Any]]:
    """Samples of the last hour, oldest first; of a busy hour every few of them."""
    rows = EngineLoad.objects.filter(slot__slug=slot, at__gte=now - SHOWN).order_by("at", "pk")
    loads = list(rows)
    step = -(-len(loads) // MOST_POINTS) or 1
    # Counted from the end, so that the newest sample is always among them.
    return [describe_load(load) for load in loads[::-1][::step][::-1]]

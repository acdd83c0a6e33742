"""How often web processes and switchers were started: in the database, as a process forgets it at its end."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F

from modelops.models import ProcessRole, ProcessStarts

WEB, SWITCHER = ProcessRole.WEB, ProcessRole.SWITCHER


def count_start(role: ProcessRole) -> None:
    """Count one more process of this role."""
    if not ProcessStarts.objects.filter(role=role).update(starts=F("starts") + 1):
        _row, is_new = ProcessStarts.objects.get_or_create(role=role, defaults={"starts": 1})
        if not is_new:  # another process was quicker
            ProcessStarts.objects.filter(role=role).update(starts=F("starts") + 1)


def count_starts(items: Sequence[ProcessRole]) -> list[None]:
    """The same as a handler for a BatchWorker."""
    for role in items:
        count_start(role)
    return [None] * len(items)


def read_starts(items: Sequence[ProcessRole]) -> list[int]:
    """As a handler, too: the starts of each role."""
    counted = dict(ProcessStarts.objects.filter(role__in=items).values_list("role", "starts"))
    return [counted.get(role, 0) for role in items]

"""What is removed by and by of switches, of engines that ended, and of preloads."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from gateway.conf import get_config
from gateway.database.pruning import PruneFigure, prune_rows
from gateway.wording import fill_in
from modelops.models import Engine, Preload, Slot, Switch

KEPT_SWITCHES = 10
"""Of each slot, however old: whether a restart is to be expected is seen from the last ones."""
KEPT_STARTS = 10
"""Of each profile, however old: what was measured then corrects its fit, and says how long a start takes."""


def prune_switches(now: datetime, *, is_dry_run: bool) -> list[PruneFigure]:
    """Remove what is due, or only count it: the numbers are the same."""
    days = get_config().switch_days
    if not days:
        return []
    limit = now - timedelta(days=days)
    switches = Switch.objects.filter(ended_at__lt=limit).exclude(pk__in=_newest_switches())
    # Counted before their switches go, so that a dry run, which removes none, says the same.
    engines = _engines_without(switches, limit)
    preloads = Preload.objects.filter(ended_at__lt=limit)
    engine_ids = list(engines.values_list("pk", flat=True))
    return [
        PruneFigure(
            name="switches",
            what=fill_in("Switches that ended more than {days} days ago", days=days),
            count=prune_rows(switches, is_dry_run=is_dry_run),
        ),
        PruneFigure(
            name="engines",
            what=fill_in("Engines that ended more than {days} days ago, with their logs", days=days),
            count=prune_rows(Engine.objects.filter(pk__in=engine_ids), is_dry_run=is_dry_run),
        ),
        PruneFigure(
            name="preloads",
            what=fill_in("Preloads that ended more than {days} days ago", days=days),
            count=prune_rows(preloads, is_dry_run=is_dry_run),
        ),
    ]


def _newest_switches() -> list[uuid.UUID]:
    newest: list[uuid.UUID] = []
    for slot in Slot.objects.all():
        ids = Switch.objects.filter(slot=slot).order_by("-created_at", "-id").values_list("pk", flat=True)
        newest += ids[:KEPT_SWITCHES]
    return newest


def _engines_without(switches: QuerySet[Switch], limit: datetime) -> QuerySet[Engine]:
    """Those that ended before then, to which nothing refers but these switches, and no fit of a profile."""
    engine = OuterRef("pk")
    kept_switches = Switch.objects.exclude(pk__in=switches.order_by().values("pk"))
    place = Window(RowNumber(), partition_by=F("profile"), order_by=(F("created_at").desc(), F("id").desc()))
    newest = (
        Engine.objects.filter(ready_at__isnull=False).annotate(place=place).filter(place__lte=KEPT_STARTS)
    )
    return Engine.objects.filter(
        ~Exists(
            kept_switches.filter(Q(old_engine=engine) | Q(new_engine=engine) | Q(restored_engine=engine))
        ),
        ~Exists(Slot.objects.filter(Q(active_engine=engine) | Q(last_good_engine=engine))),
        ended_at__lt=limit,
    ).exclude(pk__in=list(newest.order_by().values_list("pk", flat=True)))

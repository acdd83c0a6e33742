"""Which alarms have begun and ended, and which of that was told: rows, so that each is told once.

Times are the database's. Several switchers may keep the ledger at once: constraints and conditional updates
decide between them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from modelops.alerting.alerts import Alert, AlertEvent
from modelops.desk.alarms import Alarm
from modelops.models import RaisedAlarm

ENDS_AFTER = timedelta(seconds=60)
"""An alarm that is back sooner never ended: a card at the limit would be told every few seconds."""
CLAIMED_FOR = timedelta(seconds=60)
GIVEN_UP_AFTER = timedelta(days=1)
"""That something is over is no news any more when it could not be told for so long."""
KEPT_FOR = timedelta(days=30)


def note_alarms(alarms: Iterable[Alarm], *, may_begin: Container[str]) -> None:
    """Record what has begun, what goes on, and what is over. Of new alarms, those in `may_begin` begin."""
    found = {alarm.key: alarm for alarm in alarms}
    is_open = RaisedAlarm.objects.filter(ended_at=None)
    open_keys = set(is_open.values_list("key", flat=True))
    begun = [_make_row(alarm) for key, alarm in found.items() if key in may_begin and key not in open_keys]
    if begun:
        RaisedAlarm.objects.bulk_create(begun, ignore_conflicts=True)
    if lasting := found.keys() & open_keys:
        is_open.filter(key__in=lasting).update(seen_at=Now())
    if missing := open_keys - found.keys():
        is_open.filter(key__in=missing, seen_at__lt=Now() - ENDS_AFTER).update(ended_at=F("seen_at"))


def _make_row(alarm: Alarm) -> RaisedAlarm:
    texts = {"message": alarm.message, "advice": alarm.advice}
    return RaisedAlarm(key=alarm.key, code=alarm.code, level=str(alarm.level), texts=texts)


def claim_untold() -> RaisedAlarm | None:
    """The oldest alarm of which something is to be told, for a minute the caller's alone."""
    for key in _list_untold().values_list("pk", flat=True):
        if _list_untold().filter(pk=key).update(claimed_until=Now() + CLAIMED_FOR):
            return RaisedAlarm.objects.get(pk=key)
    return None


def _list_untold() -> QuerySet[RaisedAlarm]:
    """Of an alarm that ended before anybody could be told of it, its end is all that is to be told."""
    has_begun = Q(ended_at=None, begin_told_at=None)
    has_ended = Q(ended_at__gte=Now() - GIVEN_UP_AFTER, end_told_at=None)
    is_free = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    return RaisedAlarm.objects.filter(has_begun | has_ended).filter(is_free)


def make_alert(row: RaisedAlarm) -> Alert:
    return Alert(
        event=AlertEvent.BEGAN if row.ended_at is None else AlertEvent.ENDED,
        code=row.code,
        level=row.level,
        message=row.texts["message"],
        advice=row.texts["advice"],
        began_at=row.began_at,
        ended_at=row.ended_at,
    )


def note_told(row: RaisedAlarm, event: AlertEvent) -> None:
    column = "begin_told_at" if event is AlertEvent.BEGAN else "end_told_at"
    RaisedAlarm.objects.filter(pk=row.pk).update(claimed_until=None, **{column: Now()})


def release(row: RaisedAlarm) -> None:
    """It could not be told: whoever tries next may."""
    RaisedAlarm.objects.filter(pk=row.pk).update(claimed_until=None)


def prune_alarms() -> None:
    RaisedAlarm.objects.filter(ended_at__lt=Now() - KEPT_FOR).delete()

"""Reads what alarms are found in, for those who want nothing else of the desk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from modelops.desk.alarms import Alarm, AlarmFacts, find_alarms
from modelops.domain.profiles.spec import EngineKind
from modelops.hardware.sampling import SampledReading, load_history
from modelops.models import ModelProfile, Switch
from modelops.switching.selectors import find_switcher
from modelops.switching.slot_status import SlotStatus, list_slot_statuses
from modelops.switching.switchers import list_present

READING_AGE = timedelta(minutes=2)
RESTARTS_SINCE = timedelta(hours=1)
MOST_RESTARTS = 50


def read_alarms() -> list[Alarm]:
    """The alarms as they are now, in a handful of queries. Raises the database's errors."""
    statuses = list_slot_statuses()
    switcher = find_switcher(statuses[0].slot)
    sample = find_sample(timezone.now())
    return find_alarms(
        AlarmFacts(
            statuses=statuses,
            restarts=list_restarts(),
            reading=sample.reading if sample else None,
            switcher=switcher,
            presences=list_present() if switcher.is_alive else (),
            needs_gpus=_need_gpus(statuses),
        )
    )


def list_restarts() -> list[Switch]:
    """By which engines that had ended were started again in the last hour, the newest first."""
    again = Switch.objects.started_again()
    since = timezone.now() - RESTARTS_SINCE
    return list(again.filter(created_at__gte=since).order_by("-created_at")[:MOST_RESTARTS])


def find_sample(now: datetime) -> SampledReading | None:
    """The newest reading of the GPUs that is not too old to be the present."""
    newest = load_history(since=now - READING_AGE, limit=1)
    return newest[0] if newest else None


def _need_gpus(statuses: Sequence[SlotStatus]) -> bool:
    desired = {each.slot.desired_profile for each in statuses} - {""}
    on_gpus = ModelProfile.objects.enabled().exclude(engine=EngineKind.SIMULATOR)
    return bool(desired) and on_gpus.filter(slug__in=desired).exists()

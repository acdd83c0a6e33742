"""A short history of what the GPUs did: one process writes it, every process may read it.

Writers: `manage.py sample_hardware`. Readers never load NVIDIA's library.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from modelops.hardware import HardwareReading, list_problems
from modelops.models import HardwareSample

log = structlog.get_logger()


@dataclass(frozen=True)
class HistoryBound:
    """How much is kept: the newest `samples` of each host, none older than `age`."""

    samples: int = 720
    age: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class SampledReading:
    host: str
    reading: HardwareReading


def record_reading(
    reading: HardwareReading,
    *,
    host: str | None = None,
    bound: HistoryBound | None = None,
    prunes: bool = True,
) -> HardwareSample:
    """Store a reading of `host` (default: this machine) and remove what the bound has no room for.

    With `prunes` false nothing is removed: often enough is every few readings.
    """
    bound = bound or HistoryBound()
    host = host or socket.gethostname()
    with transaction.atomic():
        sample = HardwareSample.objects.create(
            taken_at=reading.taken_at, host=host, reading=reading.to_json()
        )
        if prunes:
            _prune(host, bound, oldest=reading.taken_at - bound.age)
    return sample


def _prune(host: str, bound: HistoryBound, *, oldest: datetime) -> None:
    HardwareSample.objects.on_host(host).beyond(newest=bound.samples, oldest=oldest).delete()
    HardwareSample.objects.filter(taken_at__lt=oldest).delete()


def latest_reading(
    *, max_age_s: float, host: str | None = None, now: datetime | None = None
) -> HardwareReading | None:
    """The newest reading (of `host`, or of any), None when it is older than `max_age_s`: nobody samples."""
    since = (now or timezone.now()) - timedelta(seconds=max_age_s)
    newest = load_history(host=host, since=since, limit=1)
    return newest[0].reading if newest else None


def latest_readings(*, max_age_s: float) -> dict[str, HardwareReading]:
    """The newest reading of each host that is not older than `max_age_s`; two queries."""
    since = timezone.now() - timedelta(seconds=max_age_s)
    newest = (
        HardwareSample.objects.taken_since(since).order_by().values("host").annotate(last=Max("taken_at"))
    )
    wanted = Q()
    for row in newest:
        wanted |= Q(host=row["host"], taken_at=row["last"])
    samples = HardwareSample.objects.filter(wanted) if wanted else ()
    return {each.host: each.reading for each in _load_readings(samples)}


def load_history(
    *, host: str | None = None, since: datetime | None = None, limit: int = 720
) -> tuple[SampledReading, ...]:
    """The newest `limit` readings, oldest first. Rows that another version wrote differently are left out."""
    samples = HardwareSample.objects.all()
    if host is not None:
        samples = samples.on_host(host)
    if since is not None:
        samples = samples.taken_since(since)
    return tuple(_load_readings(reversed(samples.newest_first()[:limit])))


def _load_readings(samples: Iterable[HardwareSample]) -> Iterable[SampledReading]:
    for sample in samples:
        try:
            yield SampledReading(sample.host, HardwareReading.from_json(sample.reading))
        except ValueError:
            log.warning("hardware_sample_unreadable", sample=str(sample.pk), host=sample.host)


class ChangeLog:
    """Logs one line when the set of GPUs, or of their problems, is another than last time."""

    def __init__(self, logger: Any = log) -> None:
        self._log = logger
        self._last: tuple[object, ...] | None = None

    def note(self, reading: HardwareReading) -> None:
        problems = list_problems(reading)
        usable = [gpu.uuid or str(gpu.index) for gpu in reading.usable_gpus]
        seen = (tuple(usable), tuple((problem.code, problem.gpu_index) for problem in problems))
        if seen == self._last:
            return
        self._last = seen
        write = self._log.warning if problems else self._log.info
        write(
            "hardware_changed",
            gpus=usable,
            problems=[problem.message for problem in problems],
            advice=[problem.advice for problem in problems],
        )

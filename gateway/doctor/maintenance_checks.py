"""Whether what is kept no longer is removed daily."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.maintenance.pruning import PastRun, read_last_run
from gateway.wording import fill_in

LATE_AFTER = timedelta(days=2)


def check_maintenance(place: VantagePoint) -> Iterator[Finding]:
    last = read_last_run()
    if last is None:
        never = fill_in("Nothing that is kept no longer was ever removed here.")
        yield Finding("maintenance", FindingKind.NOTE, never, _advise_daily_run())
        return
    facts = {"at": last.at.isoformat(timespec="seconds"), "removed": dict(last.figures)}
    kind, message, advice = _judge(last)
    yield Finding("maintenance", kind, message, advice, facts)


def _judge(last: PastRun) -> tuple[FindingKind, str, str]:
    at = last.at.isoformat(sep=" ", timespec="minutes")
    message: str
    if last.failed_parts:
        message = fill_in(
            "prune could not do all at {at}: {parts}.", at=at, parts=", ".join(last.failed_parts)
        )
        advice = fill_in("Run manage.py prune, which says why, or read the log of the service maintenance.")
        return FindingKind.PROBLEM, message, advice
    if timezone.now() - last.at > LATE_AFTER:
        message = fill_in("prune ran last at {at}, and is to run daily.", at=at)
        return FindingKind.PROBLEM, message, _advise_daily_run()
    return FindingKind.OK, fill_in("prune ran last at {at}.", at=at), ""


def _advise_daily_run() -> str:
    return fill_in("docker compose up -d maintenance, or manage.py prune in a daily job (docs/retention.md).")

"""Whether the daily work is done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.maintenance.pruning import read_last_run
from gateway.wording import fill_in

LONGEST_PAUSE = timedelta(days=2)
"""A daily run that was missed once may be made up for."""


def check_pruning(place: VantagePoint) -> Iterator[Finding]:
    last = read_last_run()
    start_it = fill_in(
        "manage.py run_maintenance does it every day (docker compose up -d maintenance); manage.py prune "
        "does it now."
    )
    if last is None:
        message = fill_in("Nothing has been pruned yet: what is older than the rules allow is still there.")
        yield Finding("prune", FindingKind.NOTE, message, start_it)
        return
    facts = {"at": last.at.isoformat(), "failed": list(last.failed_parts)}
    at = f"{last.at:%Y-%m-%d %H:%M} UTC"
    if last.failed_parts:
        yield Finding(
            "prune",
            FindingKind.PROBLEM,
            fill_in("Pruning failed at {at} for: {parts}.", at=at, parts=", ".join(last.failed_parts)),
            fill_in("manage.py prune tries again, and says why."),
            facts,
        )
    elif timezone.now() - last.at > LONGEST_PAUSE:
        yield Finding(
            "prune", FindingKind.NOTE, fill_in("The last pruning was at {at}.", at=at), start_it, facts
        )
    else:
        yield Finding("prune", FindingKind.OK, fill_in("The last pruning was at {at}.", at=at), facts=facts)

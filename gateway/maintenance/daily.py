"""The loop of `manage.py run_maintenance`: a run of `prune` each day, also across restarts."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from gateway.maintenance.pruning import AlreadyPruning, prune, read_last_run
from gateway.stop_signal import StopSignal

log = structlog.get_logger()

PERIOD_S = 24 * 3600.0
RETRY_S = 15 * 60.0
"""After a run that could not be done in part, or at all."""


def run_daily(stop: StopSignal) -> None:
    """Prune when the last run was a day ago, and wait for the next day, until `stop`.

    The last run is the one on record in the database: of another process, or of a person at a terminal, too.
    """
    while not stop.wait(maintain(timezone.now())):
        pass


def maintain(now: datetime) -> float:
    """One look, and a run where it is due; the result is how many seconds to wait for the next look."""
    try:
        left_s = _seconds_left(now)
        if left_s > 0:
            return left_s
        result = prune(now, is_dry_run=False)
        removed = ", ".join(f"{name} {count}" for name, count in result.counts.items() if count)
        log.info("pruned", detail=removed or "nothing was due", problems=list(result.failures))
        return RETRY_S if result.failures else PERIOD_S
    except AlreadyPruning:
        return RETRY_S
    except DatabaseError as exc:
        log.error("maintenance_failed", problem=str(exc))
        return RETRY_S
    finally:
        # None is held for a day. In tests it is theirs.
        if not connection.in_atomic_block:
            connection.close()


def _seconds_left(now: datetime) -> float:
    last = read_last_run()
    if last is None:
        return 0.0
    period_s = RETRY_S if last.failed_parts else PERIOD_S
    return period_s - (now - last.at).total_seconds()

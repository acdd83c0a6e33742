"""Follows an engine's log: reads its phases while it starts, and keeps its end in the database."""

from __future__ import annotations

import re
import time
import uuid
from collections import deque
from datetime import datetime
from functools import cached_property

import structlog
from django.db.models import Max

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import classify_failure, describe_cause
from modelops.domain.engine_log.progress import PHASE_HISTORY_STARTS, STALL_TIMEOUT_S
from modelops.domain.engine_log.startup_log import StartupLog
from modelops.models import Engine, EngineLog
from modelops.runtimes.base import Instance, InstanceState, LogFollower, Runtime, RuntimeFailure

log = structlog.get_logger()

FLUSH_PERIOD_S = 1.0
KEPT_PIECES = 400
"""Pieces of log kept of each engine."""
PIECE_LINES = 200
MARKER_LINES = 5
REREAD_LINES = 5000
REREAD_S = 3.0
KEPT_ENGINES = 20
"""Engines whose logs are kept in each slot."""

_PROBES = re.compile(r'"GET /(?:health|v1/models|metrics|is_sleeping)(?:\?\S*)? HTTP')
"""Access log lines of the gateway's own questions, several a second: they would be all that is kept."""


class EngineLogWatch:
    """One engine's log. After a restart of the switcher it is read again from the beginning.

    What the database has of it already is found by its last lines, and not written twice.
    """

    def __init__(self, engine: Engine, runtime: Runtime, *, started_at: datetime) -> None:
        self._engine_id = engine.pk
        self._profile = engine.profile
        self._runtime = runtime
        self._name = engine.name
        self._follower: LogFollower | None = None
        # The log's clock is the monotonic one, set back by what has passed since the start.
        behind_s = max(0.0, time.time() - started_at.timestamp())
        self.log = StartupLog(time.monotonic() - behind_s)
        self._unsaved: list[str] = []
        self._flushed_at = time.monotonic()
        self._saved_end = self._load_saved_end()
        self._reread: deque[str] = deque(maxlen=REREAD_LINES)
        self._opened_at = time.monotonic()

    def read(self) -> None:
        """Take in what the engine has printed; save it now and then."""
        if self._follower is None:
            try:
                self._follower = self._runtime.follow_log(self._name)
            except RuntimeFailure:
                return
        now = time.monotonic()
        lines = self._follower.read()
        for line in lines:
            self.log.feed(line, now)
        said = [line for line in lines if not _PROBES.search(line)]
        self._unsaved += self._drop_saved(said, now) if self._saved_end else said
        if self._unsaved and (now - self._flushed_at > FLUSH_PERIOD_S or len(self._unsaved) > PIECE_LINES):
            self.save()

    def save(self) -> None:
        """Write what was read and not yet saved."""
        if not self._unsaved:
            return
        self._flushed_at = time.monotonic()
        pieces = [
            EngineLog(engine_id=self._engine_id, text="\n".join(self._unsaved[at : at + PIECE_LINES]))
            for at in range(0, len(self._unsaved), PIECE_LINES)
        ]
        EngineLog.objects.bulk_create(pieces)
        # Not before: while the database is away they wait.
        self._unsaved = []
        self._prune()

    @cached_property
    def phase_history(self) -> list[dict[str, float]]:
        """Phase seconds of the profile's good starts before this one, newest first."""
        starts = Engine.objects.filter(profile=self._profile, ready_at__isnull=False)
        newest = starts.exclude(pk=self._engine_id).order_by("-created_at")
        return list(newest.values_list("phase_seconds", flat=True)[:PHASE_HISTORY_STARTS])

    def find_stall(self, *, scale: float) -> float | None:
        """Seconds without a sign of life, once they are too many for this phase."""
        silent_s = time.monotonic() - self.log.changed_at
        return silent_s if silent_s > STALL_TIMEOUT_S[self.log.phase] * scale else None

    def seconds_since_complete(self) -> float:
        """How long ago the log said that the engine is up; 0 while it has not."""
        return time.monotonic() - self.log.changed_at if self.log.is_complete else 0.0

    def classify(self, instance: Instance) -> RootCause:
        """Why the engine failed, by its whole log."""
        self.read()
        return classify_failure(
            self.log.failure_lines(),
            exit_code=instance.exit_code,
            was_oom_killed=instance.was_oom_killed,
            phase=self.log.phase,
        )

    def close(self) -> None:
        if self._follower is not None:
            self._follower.close()

    def _load_saved_end(self) -> list[str]:
        last = EngineLog.objects.filter(engine_id=self._engine_id).order_by("-id").first()
        return last.text.split("\n")[-MARKER_LINES:] if last else []

    def _drop_saved(self, lines: list[str], now: float) -> list[str]:
        """What came after the saved end, once the log has been read up to now; a rotated log lacks it."""
        self._reread.extend(lines)
        is_at_end = bool(self._reread) and not lines
        if not is_at_end and now - self._opened_at < REREAD_S:
            return []
        read, end = list(self._reread), self._saved_end
        self._saved_end = []
        self._reread.clear()
        for at in range(len(read) - len(end), -1, -1):
            if read[at : at + len(end)] == end:
                return read[at + len(end) :]
        return read

    def _prune(self) -> None:
        pieces = EngineLog.objects.filter(engine_id=self._engine_id).order_by("-id")
        oldest_kept = pieces.values_list("id", flat=True)[KEPT_PIECES : KEPT_PIECES + 1]
        for last_dropped in oldest_kept:
            pieces.filter(id__lte=last_dropped).delete()


def prune_logs(slot_id: uuid.UUID) -> None:
    """Drop the logs of all but the slot's newest engines."""
    engines = Engine.objects.filter(slot_id=slot_id)
    newest = engines.aggregate(newest=Max("generation"))["newest"] or 0
    EngineLog.objects.filter(engine__slot_id=slot_id, engine__generation__lte=newest - KEPT_ENGINES).delete()


def explain_death(cause: RootCause, instance: Instance) -> RootCause:
    """The cause where the log names none: a process that still runs hangs, one that vanished was removed."""
    if instance.state is InstanceState.ABSENT:
        return describe_cause(Cause.ENGINE_DIED, error=fill_in("it is gone, and nobody here removed it"))
    if instance.state is InstanceState.RUNNING:
        return describe_cause(
            Cause.NOT_HEALTHY, error=fill_in("it runs and does not answer /health any more")
        )
    return cause

"""That the database does not answer: the one alarm that cannot be read from it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from gateway.wording import fill_in
from modelops.alerting.alerts import Alert, AlertEvent
from modelops.desk.alarms import Level

BEGINS_AFTER = timedelta(seconds=60)
"""A restart of PostgreSQL takes a few seconds."""


class DatabaseOutage:
    """Kept in memory: a switcher that restarts meanwhile tells of it once more."""

    def __init__(self) -> None:
        self._began_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._is_told = False

    def note(self, *, is_down: bool, now: datetime | None = None) -> None:
        """What the last look at the database came to."""
        now = now or timezone.now()
        if is_down:
            self._began_at = self._began_at or now
            self._ended_at = None
        elif self._began_at is not None and self._ended_at is None:
            self._ended_at = now
            if not self._is_told:
                self._began_at = None

    def find_untold(self, now: datetime | None = None) -> Alert | None:
        now = now or timezone.now()
        if self._began_at is None:
            return None
        if self._ended_at is not None:
            return self._make_alert(AlertEvent.ENDED, self._began_at)
        if self._is_told or now - self._began_at < BEGINS_AFTER:
            return None
        return self._make_alert(AlertEvent.BEGAN, self._began_at)

    def note_told(self, alert: Alert) -> None:
        self._is_told = alert.event is AlertEvent.BEGAN
        if alert.event is AlertEvent.ENDED:
            self._began_at = self._ended_at = None

    def _make_alert(self, event: AlertEvent, began_at: datetime) -> Alert:
        return Alert(
            event=event,
            code="database_silent",
            level=str(Level.BAD),
            message=fill_in("The database does not answer."),
            advice=fill_in(
                "Nobody gets an answer meanwhile. See whether PostgreSQL runs and whether its disk is full: "
                "`docker compose ps`, `df -h`."
            ),
            began_at=began_at,
            ended_at=self._ended_at,
        )

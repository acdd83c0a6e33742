"""Reads the desk's alarms beside the switcher's loop, and tells of each when it begins and when it ends.

A thread with a connection to the database of its own, so that neither a chat service that hangs nor a slow
name server holds up a switch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import DatabaseError, close_old_connections, connections

from gateway.conf import GatewayConfig
from modelops.alerting.alerts import Alert, word_alert
from modelops.alerting.database_outage import DatabaseOutage
from modelops.alerting.ledger import claim_untold, make_alert, note_alarms, note_told, prune_alarms, release
from modelops.alerting.payloads import choose_format, make_payload
from modelops.alerting.webhook import Webhook, WebhookFailed
from modelops.desk.alarm_reading import read_alarms
from modelops.desk.alarms import Alarm

log = structlog.get_logger()

LOOK_PERIOD_S = 5.0
FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 600.0
PRUNE_PERIOD_S = 3600.0
MOST_AT_ONCE = 10
STOP_TIMEOUT_S = 2.0


class AlarmWatch:
    """One per switcher process; several switchers tell of each alarm once together."""

    def __init__(
        self,
        config: GatewayConfig,
        *,
        read: Callable[[], Sequence[Alarm]] = read_alarms,
        period_s: float = LOOK_PERIOD_S,
    ) -> None:
        self._webhook = Webhook(config.alert_webhook_url)
        self._shape = choose_format(config.alert_webhook_url, config.alert_webhook_format)
        self._language = config.alert_language
        self._read = read
        self._period_s = period_s
        self._outage = DatabaseOutage()
        self._seen_before: frozenset[str] = frozenset()
        self._failures = 0
        self._retry_at = 0.0
        self._prune_at = 0.0
        self._stop = threading.Event()
        # It ends with the process even where the chat service keeps it waiting.
        self._thread = threading.Thread(target=self._run, name="alarm-watch", daemon=True)

    def start(self) -> None:
        """Does nothing when it was started before."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Ends it within STOP_TIMEOUT_S: what is being sent then is sent again by the next one."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self.look()
            close_old_connections()
        connections.close_all()
        self._webhook.close()

    def look(self) -> None:
        """Read the alarms once and tell what is new. Raises nothing."""
        try:
            alarms = self._read()
            # What is seen once only, as while a switcher takes over, is nobody's alarm.
            note_alarms(alarms, may_begin=self._seen_before)
            self._seen_before = frozenset(alarm.key for alarm in alarms)
            self._outage.note(is_down=False)
            self._tell_outage()
            self._tell_untold()
            if time.monotonic() >= self._prune_at:
                self._prune_at = time.monotonic() + PRUNE_PERIOD_S
                prune_alarms()
        except DatabaseError as exc:
            log.warning("alarms_not_read", error=str(exc))
            self._outage.note(is_down=True)
            self._tell_outage()
        except Exception:
            log.exception("alarms_not_read")

    def _tell_outage(self) -> None:
        """It cannot be kept in rows, of which there are none meanwhile."""
        alert = self._outage.find_untold()
        if alert is not None and self._may_send and self._send(alert):
            self._outage.note_told(alert)

    def _tell_untold(self) -> None:
        for _ in range(MOST_AT_ONCE):
            if not self._may_send or (row := claim_untold()) is None:
                return
            alert = make_alert(row)
            if self._send(alert):
                note_told(row, alert.event)
            else:
                release(row)

    @property
    def _may_send(self) -> bool:
        return time.monotonic() >= self._retry_at and not self._stop.is_set()

    def _send(self, alert: Alert) -> bool:
        try:
            self._webhook.post(make_payload(word_alert(alert, self._language), self._shape))
        except WebhookFailed as exc:
            wait_s = exc.retry_after_s or min(FIRST_RETRY_S * 2**self._failures, LONGEST_RETRY_S)
            self._failures += 1
            self._retry_at = time.monotonic() + wait_s
            log.warning("alert_not_sent", problem=str(exc), cause=alert.code, retry_in_s=wait_s)
            return False
        self._failures = 0
        log.info("alert_sent", cause=alert.code, state=str(alert.event))
        return True

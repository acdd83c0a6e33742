"""Log-ins and log-outs in the audit trail, with the address that they came from.

Whoever reaches the gateway can fail to log in, so failures do not get a row each: those of one account from
one network count in one row of their hour. An hour has MOST_WITH_ADDRESS rows with an address; then failures
are counted by account only, up to MOST_ROWS, and then in one row for all. Rows older than KEPT are deleted.
What was typed as a name is never stored: it may be a password in the wrong field.
"""

from __future__ import annotations

import dataclasses
import uuid
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from accounts.audit import count_audit, event_columns, record_audit
from accounts.change_origin import ChangeOrigin
from accounts.client_address import address_bucket
from accounts.models import AuditEvent, User
from gateway.ids import first_id_at
from gateway.metrics import FAILED_LOGINS, GOOD_LOGINS

MOST_WITH_ADDRESS = 100
MOST_ROWS = 200
KEPT = timedelta(days=30)
FAILURES = uuid.UUID("5f0a7a52-0f3c-4a53-9d0c-6f5d9b0a8c11")
"""The namespace of the ids of failures: the same hour and subject make the same id, in every process."""


def record_login(*, user: User, session_id: uuid.UUID, origin: ChangeOrigin) -> None:
    GOOD_LOGINS.inc()
    _record(AuditEvent.Action.LOGGED_IN, user, session_id, origin)


def record_logout(*, user: User, session_id: uuid.UUID, origin: ChangeOrigin) -> None:
    _record(AuditEvent.Action.LOGGED_OUT, user, session_id, origin)


def record_failed_login(*, account: User | None, origin: ChangeOrigin) -> None:
    """Count a log-in that failed; `account` is the one that was meant, None when no account has that name."""
    FAILED_LOGINS.inc()
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    nowhere = dataclasses.replace(origin, address=None, request_id="")
    for most, whose, where in (
        (MOST_WITH_ADDRESS, account, origin),
        (MOST_ROWS, account, nowhere),
        (MOST_ROWS + 1, None, nowhere),
    ):
        event_id = _failure_id(hour, whose, where)
        if _count_again(event_id, now):
            return
        rows = AuditEvent.objects.filter(action=AuditEvent.Action.LOGIN_FAILED, at__gte=hour).count()
        if rows < most:
            _open_row(event_id, whose, where, now)
            if rows == 0:
                _forget_old(now)
            return


def _record(action: str, user: User, session_id: uuid.UUID, origin: ChangeOrigin) -> None:
    own = dataclasses.replace(origin, actor=user)
    record_audit(origin=own, action=action, target=user, changes={"session": str(session_id)})


def _failure_id(hour: datetime, account: User | None, origin: ChangeOrigin) -> uuid.UUID:
    network = address_bucket(origin.address) if origin.address else ""
    subject = uuid.uuid5(
        FAILURES, f"{hour.isoformat()} {account.pk if account else ''} {network} {origin.via}"
    )
    # In the order of time like all other ids: days are filtered for by them.
    return uuid.UUID(int=first_id_at(hour).int | subject.int & (1 << 80) - 1)


def _count_again(event_id: uuid.UUID, now: datetime) -> bool:
    counted = AuditEvent.objects.filter(pk=event_id).update(repeats=F("repeats") + 1, last_at=now)
    return bool(counted)


def _open_row(event_id: uuid.UUID, account: User | None, origin: ChangeOrigin, now: datetime) -> None:
    columns = event_columns(
        origin=origin, action=AuditEvent.Action.LOGIN_FAILED, target=account or User, changes={}
    )
    _row, is_new = AuditEvent.objects.get_or_create(pk=event_id, defaults=columns | {"at": now})
    if is_new:
        count_audit(AuditEvent.Action.LOGIN_FAILED)
    else:  # another process was quicker
        _count_again(event_id, now)


def _forget_old(now: datetime) -> None:
    AuditEvent.objects.filter(action=AuditEvent.Action.LOGIN_FAILED, at__lt=now - KEPT).delete()

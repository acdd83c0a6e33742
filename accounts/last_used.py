"""Records when keys and sessions were last used, at most once a minute each."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from cachetools import LRUCache
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, Session
from accounts.principals import Credential, CredentialKind

RECORD_EVERY_S = 60.0
TRACKED_CREDENTIALS = 10_000


class LastUsedThrottle:
    """Limits writes of `last_used_at` to one a minute per credential and process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: LRUCache[Credential, float] = LRUCache(TRACKED_CREDENTIALS)

    def is_due(self, credential: Credential) -> bool:
        """True once, then False for a minute."""
        now = time.monotonic()
        with self._lock:
            if now - self._noted.get(credential, -RECORD_EVERY_S) < RECORD_EVERY_S:
                return False
            self._noted[credential] = now
            return True


def is_use_due(last_used_at: datetime | None) -> bool:
    """Whether a use should be recorded now, given the last recorded one."""
    return last_used_at is None or timezone.now() - last_used_at >= timedelta(seconds=RECORD_EVERY_S)


def record_last_used(credentials: Sequence[Credential]) -> list[None]:
    """A handler of `gateway.batching`: records a use now, unless one is recorded of the last minute."""
    now = timezone.now()
    is_old = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(seconds=RECORD_EVERY_S))
    keys: set[uuid.UUID] = {c.id for c in credentials if c.kind == CredentialKind.KEY}
    sessions: set[uuid.UUID] = {c.id for c in credentials if c.kind != CredentialKind.KEY}
    for ids, model in ((keys, ApiKey), (sessions, Session)):
        if ids:
            model.objects.filter(is_old, pk__in=ids).update(last_used_at=now)
    return [None] * len(credentials)

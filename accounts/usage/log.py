"""The usage of accounts per day: summed in memory, added to the rows every few seconds."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import DailyUsage, User
from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable

log = structlog.get_logger()

SECONDS_A_DAY = 86_400


@dataclass
class DayOfUse:
    user_id: uuid.UUID
    day: date
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, requests: int, prompt_tokens: int, completion_tokens: int) -> None:
        self.requests += requests
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens


class UsageLog:
    """Sums the usage in this process. A crash loses what was not flushed; nothing is billed by it."""

    def __init__(self) -> None:
        self._days: dict[tuple[uuid.UUID, int], DayOfUse] = {}
        """By account and day since 1970, which costs every request less than a date."""

    def note(self, user_id: uuid.UUID, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one request and its tokens."""
        today = int(time.time() // SECONDS_A_DAY)
        day = self._days.get((user_id, today))
        if day is None:
            its_date = datetime.fromtimestamp(today * SECONDS_A_DAY, UTC).date()
            day = self._days[user_id, today] = DayOfUse(user_id, its_date)
        day.add(1, prompt_tokens, completion_tokens)

    async def flush(self, worker: BatchWorker) -> None:
        """Add the sums to the rows. What cannot be written is kept for the next flush."""
        days, self._days = self._days, {}
        results = await asyncio.gather(
            *(worker.submit(add_usage, day) for day in days.values()), return_exceptions=True
        )
        for (key, day), result in zip(days.items(), results, strict=True):
            if isinstance(result, DependencyUnavailable):
                newer = self._days.setdefault(key, day)
                if newer is not day:
                    newer.add(day.requests, day.prompt_tokens, day.completion_tokens)
            elif isinstance(result, Exception):
                log.error("usage_not_written", error=type(result).__name__)


def add_usage(days: Sequence[DayOfUse]) -> list[None]:
    """A handler of `gateway.batching`. The usage of deleted accounts is dropped."""
    users = {day.user_id for day in days}
    known = set(User.objects.filter(pk__in=users).values_list("pk", flat=True))
    with transaction.atomic():
        # In one order in every process: rows that are locked crosswise would be a deadlock.
        for day in sorted(days, key=lambda day: (day.user_id, day.day)):
            if day.user_id in known:
                _add_day(day)
    return [None] * len(days)


def _add_day(day: DayOfUse) -> None:
    if _update(day):
        return
    try:
        with transaction.atomic():
            DailyUsage.objects.create(
                user_id=day.user_id,
                day=day.day,
                requests=day.requests,
                prompt_tokens=day.prompt_tokens,
                completion_tokens=day.completion_tokens,
            )
    except IntegrityError:  # another process was quicker
        _update(day)


def _update(day: DayOfUse) -> bool:
    rows = DailyUsage.objects.filter(user_id=day.user_id, day=day.day)
    return bool(
        rows.update(
            requests=F("requests") + day.requests,
            prompt_tokens=F("prompt_tokens") + day.prompt_tokens,
            completion_tokens=F("completion_tokens") + day.completion_tokens,
        )
    )


def usage_of_today(user: User) -> DailyUsage:
    """The account's usage today, as far as it was flushed; zeros when there is none."""
    today = timezone.now().date()
    return DailyUsage.objects.filter(user=user, day=today).first() or DailyUsage(user=user, day=today)

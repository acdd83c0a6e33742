"""What accounts used, per day: gathered in memory, added to the rows every few seconds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import DailyUsage, User
from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable

log = structlog.get_logger()


@dataclass
class DayOfUse:
    user_id: uuid.UUID
    day: date
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class UsageLog:
    """Adds up the use of this process. What was not flushed is lost in a crash; it bills nobody."""

    def __init__(self) -> None:
        self._days: dict[tuple[uuid.UUID, date], DayOfUse] = {}

    def note(self, user_id: uuid.UUID, prompt_tokens: int, completion_tokens: int) -> None:
        """One request more, and its tokens."""
        self._add(DayOfUse(user_id, timezone.now().date(), 1, prompt_tokens, completion_tokens))

    async def flush(self, worker: BatchWorker) -> None:
        """Have it all added to the rows. What cannot be written now is kept for the next time."""
        days, self._days = self._days, {}
        results = await asyncio.gather(
            *(worker.submit(add_usage, day) for day in days.values()), return_exceptions=True
        )
        for day, result in zip(days.values(), results, strict=True):
            if isinstance(result, DependencyUnavailable):
                self._add(day)
            elif isinstance(result, Exception):
                log.error("usage_not_written", error=type(result).__name__)

    def _add(self, more: DayOfUse) -> None:
        known = self._days.get((more.user_id, more.day))
        if known is None:
            self._days[more.user_id, more.day] = more
            return
        known.requests += more.requests
        known.prompt_tokens += more.prompt_tokens
        known.completion_tokens += more.completion_tokens


def add_usage(days: Sequence[DayOfUse]) -> list[None]:
    """A handler of `gateway.batching`. The use of accounts that are gone is forgotten."""
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
    """What the account used today, as far as it is on record; zeros on a quiet day."""
    today = timezone.now().date()
    return DailyUsage.objects.filter(user=user, day=today).first() or DailyUsage(user=user, day=today)

"""Removes old rows in small transactions, and says how many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

MOST_ROWS = 500
"""Of one transaction."""


@dataclass(frozen=True, kw_only=True)
class PruneFigure:
    """How much of something a run removed, or would remove."""

    name: str
    """For the audit trail and logs."""
    what: str
    """For people, to be translated."""
    count: int


def prune_rows(
    due: QuerySet[Any],
    *,
    is_dry_run: bool,
    before_removal: Callable[[Sequence[Model]], None] | None = None,
) -> int:
    """Remove these rows, a batch at a time, or only count them; the result is their number.

    What cascades is not counted. A row that is no longer among `due` when its batch comes stays.
    `before_removal` is called with the rows of a batch, in its transaction.
    """
    if is_dry_run:
        return due.count()
    removed = 0
    last: Any = None
    while ids := _next_ids(due, last):
        with transaction.atomic():
            batch = due.filter(pk__in=ids)
            if before_removal is not None:
                before_removal(list(batch))
            removed += batch.order_by().delete()[1].get(due.model._meta.label, 0)
        last = ids[-1]
    return removed


def _next_ids(due: QuerySet[Any], last: Any) -> list[Any]:
    rest = due if last is None else due.filter(pk__gt=last)
    return list(rest.order_by("pk").values_list("pk", flat=True)[:MOST_ROWS])

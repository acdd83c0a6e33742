"""Removes what is due everywhere, one run at a time, and keeps on record what it was."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from accounts.models import AuditEvent, User
from accounts.pruning import prune_accounts
from conversations.retention import purge
from gateway.audit import record_change
from gateway.conf import get_config
from gateway.database.pruning import PruneFigure
from gateway.database.rows import is_postgresql
from gateway.database.sessions import try_lock
from gateway.locks import lock_folder
from modelops.switching.pruning import prune_switches

log = structlog.get_logger()

ACTION = "old_data_pruned"
"""Of a run in the audit trail."""
FAILED = "failed"
"""Beside its figures: the parts that could not be done."""
SEPARATOR = ", "
LOCK_FILE = "prune.lock"
LOCK_NUMBER = 0x7672_756E
"""The advisory lock on PostgreSQL."""


class AlreadyPruning(Exception):
    """Another run goes on."""


@dataclass(frozen=True)
class PruneResult:
    """What a run removed, or would remove, and what it could not do, by the name of the part."""

    figures: Sequence[PruneFigure]
    failures: Mapping[str, Exception]

    @property
    def counts(self) -> Mapping[str, int]:
        """By the names of the figures, of which several can have one."""
        counts: Counter[str] = Counter()
        for figure in self.figures:
            counts[figure.name] += figure.count
        return counts


@dataclass(frozen=True)
class PastRun:
    """The last run, as it is on record."""

    at: datetime
    figures: Mapping[str, int]
    failed_parts: Sequence[str]


def prune(now: datetime, *, is_dry_run: bool) -> PruneResult:
    """Remove what is due, in small transactions. A dry run says the same numbers and changes nothing.

    A part that fails does not keep the others from being done. Raises AlreadyPruning, but for a dry run.
    """
    with contextlib.nullcontext() if is_dry_run else _alone():
        result = _prune_parts(now, is_dry_run=is_dry_run)
        if not is_dry_run:
            _record(result)
    return result


def read_last_run() -> PastRun | None:
    """The last run of `prune`, by whomever; None before the first, or when its line is gone."""
    event = AuditEvent.objects.filter(action=ACTION).order_by("-at").first()
    if event is None:
        return None
    failed = str(event.changes.get(FAILED, ""))
    figures = {name: count for name, count in event.changes.items() if isinstance(count, int)}
    return PastRun(event.at, figures, [part for part in failed.split(SEPARATOR) if part])


def _prune_parts(now: datetime, *, is_dry_run: bool) -> PruneResult:
    parts: Mapping[str, Callable[[], Sequence[PruneFigure]]] = {
        "conversations": lambda: purge(now, is_dry_run=is_dry_run).figures,
        "accounts": lambda: prune_accounts(now, is_dry_run=is_dry_run),
        "switches": lambda: prune_switches(now, is_dry_run=is_dry_run),
    }
    figures: list[PruneFigure] = []
    failures: dict[str, Exception] = {}
    for name, prune_part in parts.items():
        try:
            figures += prune_part()
        except Exception as exc:  # the others are to be done all the same
            log.exception("prune_failed", work=name)
            failures[name] = exc
    return PruneResult(figures, failures)


def _record(result: PruneResult) -> None:
    changes: dict[str, object] = {name: count for name, count in result.counts.items() if count}
    if result.failures:
        changes[FAILED] = SEPARATOR.join(result.failures)  # a list of two is shown as before and after
    record_change(ACTION, User, request=None, changes=changes)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Of all machines on PostgreSQL, of all processes with this data folder on SQLite."""
    if not is_postgresql():
        lock = lock_folder(Path(get_config().data_dir), LOCK_FILE)
        if lock is None:
            raise AlreadyPruning
        with lock:
            yield
        return
    with try_lock(LOCK_NUMBER) as is_ours:
        if not is_ours:
            raise AlreadyPruning
        yield

"""Brings the index of an account up to date: what is stored before a search begins is found by it.

Storing a turn writes nothing to the index, so that chats do not pay for searches.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from conversations.models import Conversation, Message, SearchMark, TitleEntry
from conversations.search.pending import Pending, find_pending
from conversations.search.store import IndexedText, add_title_entries, write_messages, write_titles
from gateway.database.rows import is_postgresql
from gateway.ids import first_id_at

SETTLED = timedelta(seconds=60)
"""The longest from the making of a message's id to the commit of its row, with the skew of clocks."""
MOST_MESSAGES = 2_000
"""That one search puts into the index."""
MOST_ON_SQLITE = 500
"""Of one transaction: nobody else writes meanwhile."""
BATCH_MESSAGES = 500
BATCH_BYTES = 4 * 2**20
"""Of texts in memory; one that is longer is a batch of its own."""
NOTHING = uuid.UUID(int=0)


@dataclass
class _Pass:
    """What a run over the messages of an account has come to."""

    after: uuid.UUID
    touched_since: datetime
    started_at: datetime
    indexed: int = 0
    is_complete: bool = False

    def __post_init__(self) -> None:
        self.settled_id = first_id_at(self.started_at - SETTLED)
        self.held_at = self.started_at - SETTLED

    def take(self, pending: Pending) -> None:
        """Move on to where this page ends; the mark to what is sure not to change before."""
        self.indexed += len(pending.messages)
        self.is_complete = pending.last_id is None
        if pending.held_ids:
            self.settled_id = min(self.settled_id, uuid.UUID(int=min(pending.held_ids).int - 1))
        self.held_at = min([self.held_at, *pending.held_moments])
        if pending.last_id is not None:
            self.after = pending.last_id

    @property
    def indexed_to(self) -> uuid.UUID:
        return self.settled_id if self.is_complete else min(self.settled_id, self.after)


def refresh(owner_id: uuid.UUID, now: datetime) -> bool:
    """Put what is missing into the index; False where MOST_MESSAGES were not all of it.

    Where nothing is missing, it takes two statements and no lock.
    """
    mark = SearchMark.objects.filter(pk=owner_id).first()
    if mark is not None and _is_up_to_date(mark, now):
        return True
    most = MOST_MESSAGES if is_postgresql() else min(MOST_MESSAGES, MOST_ON_SQLITE)
    return index_account(owner_id, now, most=most).is_complete


def _is_up_to_date(mark: SearchMark, now: datetime) -> bool:
    """Also False from time to time, so that the mark moves on, and what follows it stays little."""
    if mark.touched_to is None or mark.checked_at is None or now - mark.checked_at >= SETTLED:
        return False
    after: uuid.UUID | None = mark.indexed_to
    while after is not None:
        pending = find_pending(
            mark.owner_id, after=after, touched_since=mark.touched_to, most=MOST_MESSAGES, now=now
        )
        if not pending.is_empty:
            return False
        after = pending.last_id
    return True


def index_account(owner_id: uuid.UUID, now: datetime, *, most: int, start: uuid.UUID | None = None) -> _Pass:
    """Put what is missing into the index, `most` messages about; from the mark on, or from `start`.

    One transaction, which holds the account's mark. From `start`, it looks at no answers before that which
    went on since: they are left to a run from the mark.
    """
    with transaction.atomic():
        mark = _lock_mark(owner_id)
        if mark.touched_to is None:
            add_title_entries(owner_id)
        done = _Pass(mark.indexed_to if start is None else start, mark.touched_to or now - SETTLED, now)
        while not done.is_complete and done.indexed < most:
            pending = find_pending(
                owner_id,
                after=done.after,
                touched_since=done.touched_since,
                most=min(most, MOST_MESSAGES),
                now=now,
            )
            _write(owner_id, pending)
            done.take(pending)
        mark.indexed_to = max(mark.indexed_to, done.indexed_to)
        if start is None or mark.touched_to is None:
            mark.touched_to = max(mark.touched_to or done.held_at, done.held_at)
        mark.checked_at = done.started_at
        mark.save()
    return done


def _lock_mark(owner_id: uuid.UUID) -> SearchMark:
    marks = SearchMark.objects.select_for_update().filter(pk=owner_id)
    if (mark := marks.first()) is not None:
        return mark
    SearchMark.objects.bulk_create([SearchMark(owner_id=owner_id, indexed_to=NOTHING)], ignore_conflicts=True)
    return marks.get()


def _write(owner_id: uuid.UUID, pending: Pending) -> None:
    """Titles first: whoever removes a conversation locks it before its messages."""
    ids = sorted(pending.titles)
    for start in range(0, len(ids), BATCH_MESSAGES):
        _write_titles(owner_id, ids[start : start + BATCH_MESSAGES])
    for texts in _load_messages(pending.messages):
        write_messages(owner_id, texts)


def _load_messages(sizes: Mapping[uuid.UUID, int]) -> Iterator[list[IndexedText]]:
    """These messages in the order of their ids, in batches that fit into memory."""
    batch: list[uuid.UUID] = []
    left_bytes = BATCH_BYTES
    for id_ in sorted(sizes):
        left_bytes -= sizes[id_]
        if batch and (left_bytes < 0 or len(batch) == BATCH_MESSAGES):
            yield _load_texts(batch)
            batch, left_bytes = [], BATCH_BYTES - sizes[id_]
        batch.append(id_)
    if batch:
        yield _load_texts(batch)


def _load_texts(ids: Sequence[uuid.UUID]) -> list[IndexedText]:
    columns = ("id", "conversation_id", "created_at", "size_bytes", "role", "model")
    rows = Message.objects.filter(pk__in=ids).order_by("pk").values(*columns, text=F("content"))
    return [IndexedText(**row) for row in rows]


def _write_titles(owner_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> None:
    """Of conversations that are being removed, or named, the title is left to the next search."""
    add_title_entries(owner_id, ids)
    entries = TitleEntry.objects.filter(pk__in=ids, owner_id=owner_id).order_by("pk")
    locked = list(entries.select_for_update(skip_locked=True).values_list("pk", flat=True))
    rows = Conversation.objects.filter(pk__in=locked).order_by("pk")
    found = rows.values("id", "created_at", conversation_id=F("pk"), text=F("title"))
    write_titles(owner_id, [IndexedText(**row) for row in found])

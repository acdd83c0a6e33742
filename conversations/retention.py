"""What is removed for good: deleted conversations, what no rule keeps, files that nothing uses.

A run is bounded in memory, and in each of its transactions, however much there is.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from conversations.files.purging import find_unused_files, purge_lost_bytes
from conversations.files.storing import remove_files
from conversations.models import (
    Conversation,
    Message,
    MessageStatus,
    RetentionRule,
    StoredResponse,
)
from conversations.removal import remove_conversations
from gateway.audit import record_change
from gateway.conf import get_config
from gateway.database.pruning import PruneFigure, prune_rows
from gateway.wording import fill_in

MOST_CONVERSATIONS = 100
MOST_MESSAGES = 10_000
"""Of one transaction; a conversation that has more is one by itself."""
LOST_BYTES_AGE = timedelta(days=1)
"""An upload writes its bytes before its row, and takes less than that."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Why conversations are removed, and which."""

    name: str
    conversations: Q


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What a policy removed, or would remove."""

    policy: str
    conversations: int
    messages: int


@dataclass(frozen=True, kw_only=True)
class Purge:
    """What a run removed, or would remove."""

    removed: Sequence[Removed]
    files: int
    file_bytes: int
    responses: int
    """Stored ones of `/v1/responses`."""
    lost_files: int
    """Without a row: of accounts that are gone, and of uploads that broke."""

    @property
    def figures(self) -> list[PruneFigure]:
        """As `manage.py prune` shows and records them."""
        messages = sum(each.messages for each in self.removed)
        counts = (
            ("messages", fill_in("Messages of these conversations"), messages),
            ("files", fill_in("Files that no message refers to"), self.files),
            ("file_bytes", fill_in("Their bytes"), self.file_bytes),
            ("responses", fill_in("Stored responses of /v1/responses"), self.responses),
            (
                "lost_files",
                fill_in("Files of accounts that are gone, and of broken uploads"),
                self.lost_files,
            ),
        )
        return [
            *(
                PruneFigure(
                    name="conversations",
                    what=fill_in("Conversations: {policy}", policy=each.policy),
                    count=each.conversations,
                )
                for each in self.removed
            ),
            *(PruneFigure(name=name, what=what, count=count) for name, what, count in counts),
        ]


def purge(now: datetime, *, is_dry_run: bool) -> Purge:
    """Remove what is due and put it on record. A dry run changes nothing and answers the same numbers.

    A conversation in which an answer streams is left to the next run.
    """
    policies = read_policies(now)
    removed, earlier = [], Q(pk__in=[])
    for policy in policies:
        due = _due(policy.conversations & ~earlier)
        conversations, messages = _count(due) if is_dry_run else _remove(due)
        removed.append(Removed(policy=policy.name, conversations=conversations, messages=messages))
        earlier |= policy.conversations
    kept = Message.objects.exclude(conversation__in=_due(earlier)) if is_dry_run else Message.objects.all()
    files = file_bytes = 0
    unused_since = now - timedelta(days=get_config().unused_file_days)
    for unused in find_unused_files(unused_since, kept):
        files += len(unused) if is_dry_run else remove_files(unused, unused_since=unused_since)
        file_bytes += sum(file.size_bytes for file in unused)
    responses = _purge_responses(now, is_dry_run=is_dry_run)
    lost_files = purge_lost_bytes(before=now - LOST_BYTES_AGE, is_dry_run=is_dry_run)
    done = Purge(
        removed=removed, files=files, file_bytes=file_bytes, responses=responses, lost_files=lost_files
    )
    if not is_dry_run:
        _record(done)
    return done


def _purge_responses(now: datetime, *, is_dry_run: bool) -> int:
    """Remove responses that have expired, and those that no rule keeps; returns how many."""
    due = Q(expires_at__lt=now)
    for rule in RetentionRule.objects.all():
        due |= Q(owner__role=rule.role, created_at__lt=now - timedelta(days=rule.days))
    return prune_rows(StoredResponse.objects.filter(due), is_dry_run=is_dry_run)


def read_policies(now: datetime) -> list[Policy]:
    """In the order in which they are applied: what several of them name counts for the first one."""
    days = get_config().deleted_conversation_days
    return [
        Policy(
            name=fill_in("Deleted more than {days} days ago", days=days),
            conversations=Q(deleted_at__lt=now - timedelta(days=days)),
        ),
        *(
            Policy(
                name=fill_in("Role {role}, nothing said for {days} days", role=rule.role, days=rule.days),
                conversations=Q(owner__role=rule.role, updated_at__lt=now - timedelta(days=rule.days)),
            )
            for rule in RetentionRule.objects.order_by("role")
        ),
    ]


def _due(conversations: Q) -> QuerySet[Conversation]:
    running = Message.objects.filter(conversation=OuterRef("pk"), status=MessageStatus.STREAMING)
    return Conversation.objects.filter(conversations, ~Exists(running)).order_by("pk")


def _count(due: QuerySet[Conversation]) -> tuple[int, int]:
    return due.count(), Message.objects.filter(conversation__in=due.order_by()).count()


def _remove(due: QuerySet[Conversation]) -> tuple[int, int]:
    conversations = messages = 0
    last: uuid.UUID | None = None
    while ids := _next_batch(due.filter(pk__gt=last) if last else due):
        with transaction.atomic():
            # Once more under the lock: somebody may have gone on with one of them meanwhile.
            locked = list(due.filter(pk__in=ids).select_for_update(of=("self",)).values_list("pk", flat=True))
            messages += Message.objects.filter(conversation__in=locked).count()
            remove_conversations(locked)
        conversations += len(locked)
        last = ids[-1]
    return conversations, messages


def _next_batch(due: QuerySet[Conversation]) -> list[uuid.UUID]:
    """The first ones, as many as hold MOST_MESSAGES."""
    ids = list(due.values_list("pk", flat=True)[:MOST_CONVERSATIONS])
    counts = Message.objects.filter(conversation__in=ids).order_by().values_list("conversation")
    messages_of = dict(counts.annotate(Count("pk")))
    batch: list[uuid.UUID] = []
    left = MOST_MESSAGES
    for id_ in ids:
        left -= messages_of.get(id_, 0)
        if batch and left < 0:
            break
        batch.append(id_)
    return batch


def _record(done: Purge) -> None:
    record_change(
        "conversations_purged",
        Conversation,
        request=None,
        changes={
            "conversations": {each.policy: each.conversations for each in done.removed},
            "messages": sum(each.messages for each in done.removed),
            "responses": done.responses,
            "files": done.files + done.lost_files,
        },
    )

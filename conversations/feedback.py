"""What people think of answers: they say so, administrators read it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from conversations.models import Feedback, MessageRole, Rating
from conversations.selectors import get_message
from conversations.tree_changes import lock_tree
from gateway.errors import InvalidRequest


def give_feedback(
    *,
    user_id: uuid.UUID,
    conversation_id: uuid.UUID,
    message_id: uuid.UUID,
    rating: Rating,
    reason: str,
    comment: str,
) -> Feedback:
    """Store it in place of what was said before. Raises NotFound, and InvalidRequest for no answer."""
    with transaction.atomic():
        # So that the answer is not deleted meanwhile.
        lock_tree(user_id=user_id, conversation_id=conversation_id)
        message = get_message(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
        if message.role != MessageRole.ASSISTANT:
            raise InvalidRequest("Only answers can be rated.", param="message_id")
        feedback, _is_new = Feedback.objects.update_or_create(
            message=message,
            defaults={"owner_id": user_id, "rating": rating, "reason": reason, "comment": comment},
        )
    return feedback


def withdraw_feedback(*, user_id: uuid.UUID, conversation_id: uuid.UUID, message_id: uuid.UUID) -> None:
    """Forget it, if there is any. Raises NotFound for a missing message."""
    message = get_message(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
    Feedback.objects.filter(message=message).delete()


@dataclass(frozen=True, kw_only=True)
class FeedbackFilter:
    """Days are of the last change, in UTC, and belong to what is found."""

    first_day: date | None = None
    last_day: date | None = None
    model: str = ""

    def find(self) -> QuerySet[Feedback]:
        """Newest first, in the order of an index."""
        rows = (
            Feedback.objects.select_related("message").only(*COLUMNS).order_by("-updated_at", "-message_id")
        )
        if self.first_day:
            rows = rows.filter(updated_at__gte=_midnight(self.first_day))
        if self.last_day and self.last_day < date.max:
            rows = rows.filter(updated_at__lt=_midnight(self.last_day + timedelta(days=1)))
        return rows.filter(message__model=self.model) if self.model else rows


COLUMNS = ["rating", "reason", "comment", "created_at", "updated_at", "message__model"]
"""What is read: never what was asked and answered."""


def list_feedback(
    found: FeedbackFilter, *, limit: int, after: uuid.UUID | None = None
) -> tuple[list[Feedback], bool]:
    """A page, newest first, and whether more follow. Raises InvalidRequest when `after` has no feedback."""
    rows = found.find()
    if after is not None:
        cursor = Feedback.objects.filter(pk=after).first()
        if cursor is None:
            raise InvalidRequest("The cursor names no message with feedback.", param="after")
        rows = _older_than(rows, cursor)
    page = list(rows[: limit + 1])
    return page[:limit], len(page) > limit


def next_page(found: FeedbackFilter, last: Feedback | None, *, size: int) -> list[Feedback]:
    """The page after `last`, which may be gone by now."""
    rows = found.find()
    return list((_older_than(rows, last) if last else rows)[:size])


def _older_than(rows: QuerySet[Feedback], cursor: Feedback) -> QuerySet[Feedback]:
    return rows.filter(
        Q(updated_at__lt=cursor.updated_at)
        | Q(updated_at=cursor.updated_at, message_id__lt=cursor.message_id)
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

"""How much conversations hold, and accounts: texts and files in bytes, with ROW_BYTES more for each row."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db.models import Count, F, Sum, TextField
from django.db.models.functions import Cast

from conversations.models import (
    ROW_BYTES,
    Conversation,
    Message,
    OctetLength,
    StoredFile,
    StoredResponse,
)
from gateway.errors import StorageFull
from gateway.wording import fill_in


def sum_stored_bytes(items: Sequence[uuid.UUID]) -> list[int]:
    """What each of these accounts has stored, deleted conversations included until they are purged."""
    owners = set(items)
    messages = Message.objects.filter(owner_id__in=owners).order_by().values_list("owner_id")
    conversations = Conversation.objects.filter(owner_id__in=owners).order_by().values_list("owner_id")
    # Of few messages, by an index of their own: calls are no part of `size_bytes`.
    calls = messages.filter(tool_calls__isnull=False)
    files = StoredFile.objects.filter(owner_id__in=owners).order_by().values_list("owner_id")
    responses = StoredResponse.objects.filter(owner_id__in=owners).order_by().values_list("owner_id")
    stored: dict[uuid.UUID, int] = dict.fromkeys(owners, 0)
    for owner, texts, rows in (
        *messages.annotate(texts=Sum("size_bytes"), rows=Count("pk")),
        *conversations.annotate(texts=Sum(OctetLength("system_prompt")), rows=Count("pk")),
        *calls.annotate(texts=Sum(OctetLength(Cast("tool_calls", TextField()))), rows=Count("pk") * 0),
        *responses.annotate(texts=Sum("size_bytes"), rows=Count("pk")),
        *files.annotate(texts=Sum(F("size_bytes") + F("text_bytes")), rows=Count("pk")),
    ):
        stored[owner] += texts + ROW_BYTES * rows
    return [stored[owner] for owner in items]


def check_space(owner_id: uuid.UUID, new_bytes: int, limit_bytes: int) -> None:
    """Raises StorageFull when the account would hold more than it may with so many bytes more."""
    (stored_bytes,) = sum_stored_bytes([owner_id])
    check_account(stored_bytes, new_bytes, limit_bytes)


def check_account(stored_bytes: int, new_bytes: int, limit_bytes: int) -> None:
    """Raises StorageFull when an account would hold more than it may. A limit of 0 is none."""
    if limit_bytes and stored_bytes + new_bytes > limit_bytes:
        raise StorageFull(
            fill_in(
                "Your conversations and files would hold {bytes} bytes; {most} are allowed.",
                bytes=stored_bytes + new_bytes,
                most=limit_bytes,
            )
        )

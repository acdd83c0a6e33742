"""Where messages stand among the others that follow the same one: edits, and further answers."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, F, Q, Window
from django.db.models.functions import Lag, Lead, RowNumber

from conversations.models import Message


@dataclass(frozen=True, kw_only=True)
class Siblings:
    """`position` of `count`, from 1, in the order of their making, with the ids beside it."""

    count: int = 1
    position: int = 1
    previous_id: uuid.UUID | None = None
    next_id: uuid.UUID | None = None


ALONE = Siblings()


def load_siblings(messages: Collection[Message]) -> dict[uuid.UUID, Siblings]:
    """The place of each of these messages, by its id. One query, however many others there are."""
    if not messages:
        return {}
    among = Q(parent_id__in={message.parent_id for message in messages if message.parent_id})
    if firsts := {message.conversation_id for message in messages if message.parent_id is None}:
        among |= Q(parent_id__isnull=True, conversation_id__in=firsts)
    order = [F("created_at").asc(), F("id").asc()]
    beside = [F("conversation_id"), F("parent_id")]
    rows = (
        Message.objects.filter(among)
        .order_by()
        .annotate(
            count=Window(Count("pk"), partition_by=beside),
            position=Window(RowNumber(), partition_by=beside, order_by=order),
            previous_id=Window(Lag("pk"), partition_by=beside, order_by=order),
            next_id=Window(Lead("pk"), partition_by=beside, order_by=order),
        )
        # A condition that names a window is applied after all are computed, and no position is below 1.
        .filter(Q(pk__in=[message.pk for message in messages]) | Q(position__lt=1))
        .values_list("pk", "count", "position", "previous_id", "next_id")
    )
    found = {
        id_: Siblings(count=count, position=position, previous_id=previous_id, next_id=next_id)
        for id_, count, position, previous_id, next_id in rows
    }
    # Of one that was deleted since it was read, there is nothing to say.
    return {message.pk: found.get(message.pk, ALONE) for message in messages}

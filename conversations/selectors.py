"""Reads on conversations, in a constant number of queries each."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import QuerySet

from conversations.branches import BranchLimits, load_branches
from conversations.models import Conversation, Message
from gateway.errors import InvalidRequest, NotFound
from gateway.wording import fill_in

NO_MESSAGE = fill_in("There is no such message.")

MAX_PAGE = 100
"""Rows that a page may have."""


def list_conversations(
    *,
    user_id: uuid.UUID,
    limit: int,
    deleted: bool = False,
    archived: bool | None = None,
    pinned: bool | None = None,
    folder_id: uuid.UUID | None = None,
    after: uuid.UUID | None = None,
    q: str = "",
) -> tuple[list[Conversation], bool]:
    """A page of the user's conversations, and whether more follow: those used last first.

    Those deleted are listed apart, the last deleted first. Without `archived` the list has what is not
    archived, and that of the deleted ones has both. `after` is the last id of the page before. Raises
    InvalidRequest when it names no conversation of this user that could be in such a list.
    """
    own = Conversation.objects.deleted_by(user_id) if deleted else Conversation.objects.visible_to(user_id)
    order = "deleted_at" if deleted else "updated_at"
    filters = {
        "is_archived": False if archived is None and not deleted else archived,
        "is_pinned": pinned,
        "folder_id": folder_id,
        "title__icontains": q or None,
    }
    rows = own.filter(**{name: value for name, value in filters.items() if value is not None})
    if after:
        rows = rows.after(order, _moment_of(after, user_id=user_id, column=order), after)
    page = list(rows.order_by(f"-{order}", "-id")[: limit + 1])
    return page[:limit], len(page) > limit


def _moment_of(conversation_id: uuid.UUID, *, user_id: uuid.UUID, column: str) -> datetime:
    own = Conversation.objects.filter(owner_id=user_id, pk=conversation_id)
    moment: datetime | None = own.values_list(column, flat=True).first()
    if moment is None:
        raise InvalidRequest("The cursor names none of your conversations.", param="after")
    return moment


def get_conversation(*, user_id: uuid.UUID, conversation_id: uuid.UUID) -> Conversation:
    """Raises NotFound for a missing conversation and for somebody else's alike."""
    conversation = Conversation.objects.visible_to(user_id).filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


PAGE_BYTES = 4 * 2**20
"""Contents in one page of messages; a message that is longer by itself is a page of its own."""


def load_page(
    conversation: Conversation, *, limit: int, before: uuid.UUID | None = None
) -> tuple[list[Message], bool]:
    """The last messages of the active branch, oldest first, and whether others come before them.

    `before` is the first id of a page: the answer is the page before that one. Raises InvalidRequest when it
    names no message of this conversation.
    """
    end_id = conversation.head_id
    if before is not None:
        cursor = Message.objects.filter(conversation=conversation, pk=before).values_list("parent_id").first()
        if cursor is None:
            raise InvalidRequest("The cursor names no message of this conversation.", param="before")
        (end_id,) = cursor
    return load_branch_page(end_id, limit=limit)


def load_branch_page(end_id: uuid.UUID | None, *, limit: int) -> tuple[list[Message], bool]:
    """The last messages of the branch that ends there, and whether others come before; see `load_page`."""
    if end_id is None:
        return [], False
    branch = load_branches([end_id], BranchLimits(messages=limit, size_bytes=PAGE_BYTES)).get(end_id)
    if branch is None:
        return [], False
    ids = [uuid.UUID(message.id) for message in branch.messages] or [end_id]
    rows = messages_to_show().in_bulk(ids)
    page = [rows[id_] for id_ in ids if id_ in rows]
    return page, not branch.is_whole and page[0].parent_id is not None


def list_messages(
    conversation: Conversation, *, limit: int, before: uuid.UUID | None = None
) -> tuple[list[Message], bool]:
    """The last messages of the whole tree in the order of ids, oldest first, and whether others come before.

    `before` is the first id of a page: the answer is the page before that one.
    """
    rows = Message.objects.filter(conversation=conversation)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    sizes = list(rows.order_by("-pk").values_list("pk", "size_bytes")[: limit + 1])
    ids: list[uuid.UUID] = []
    left_bytes = PAGE_BYTES
    for id_, size_bytes in sizes[:limit]:
        left_bytes -= size_bytes
        if ids and left_bytes < 0:
            break
        ids.append(id_)
    page = list(messages_to_show().filter(pk__in=ids).order_by("pk"))
    return page, len(ids) < len(sizes)


def messages_to_show() -> QuerySet[Message]:
    """Messages with the feedback on them."""
    return Message.objects.select_related("feedback")


def get_message(*, user_id: uuid.UUID, conversation_id: uuid.UUID, message_id: uuid.UUID) -> Message:
    """Raises NotFound for a message that is missing, elsewhere, or in somebody else's conversation alike."""
    readable = Conversation.objects.visible_to(user_id).filter(pk=conversation_id)
    message = messages_to_show().filter(pk=message_id, conversation__in=readable).first()
    if message is None:
        raise NotFound(NO_MESSAGE)
    return message

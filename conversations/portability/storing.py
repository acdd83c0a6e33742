"""Stores an imported conversation: all of it in one transaction, once for each account."""

from __future__ import annotations

import heapq
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from conversations.files.parts import TEXT_GAP, Part
from conversations.models import ROW_BYTES, Conversation, Feedback, Message, MessageRole, TitleSource
from conversations.new_turns import NewMessage, make_title
from conversations.portability.imported_files import ImportedFiles
from conversations.portability.trees import ImportedConversation, ImportedMessage, UnreadableItem
from conversations.prompt_sizes import count_bytes
from conversations.search.pending import note_titles
from gateway.ids import new_id, parse_id

BATCH_ROWS = 500
MOST_PIECES = 2_000
"""Of one message, more than a turn may have: its account is charged for contents, not for their number."""
ROLES = frozenset(MessageRole.values)


@dataclass(frozen=True)
class Placed:
    """A message with the place of its parent among those that are stored before it; None: it begins one."""

    message: ImportedMessage
    parent: int | None


def is_here(owner_id: uuid.UUID, tree: ImportedConversation) -> bool:
    """Whether the account has this conversation. One in the trash counts for one from the trash alone."""
    same = Q(import_key=tree.key)
    if (own_id := parse_id(tree.own_id)) is not None:
        same |= Q(pk=own_id)
    own = Conversation.objects.filter(owner_id=owner_id)
    if tree.deleted_at is None:
        own = own.visible_to(owner_id)
    return own.filter(same).exists()


def arrange(messages: Sequence[ImportedMessage]) -> list[Placed]:
    """The messages with parents before children, else in their order; what is in a circle is left out.

    Raises UnreadableItem for a message without an id, with an unknown role, or with more than MOST_PIECES
    pieces, and for an id used twice.
    """
    places = {message.id: place for place, message in enumerate(messages)}
    if len(places) < len(messages) or "" in places:
        raise UnreadableItem("Its messages have no ids, or the same.")
    if any(message.role not in ROLES for message in messages):
        raise UnreadableItem("A message has an unknown role.")
    if any(len(message.pieces) > MOST_PIECES for message in messages):
        raise UnreadableItem(f"A message has more than {MOST_PIECES} parts.")
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for place, message in enumerate(messages):
        children[places.get(message.parent_id or "")].append(place)
    ready, arranged, stored_as = list(children[None]), list[Placed](), dict[int, int]()
    while ready:
        place = heapq.heappop(ready)
        message = messages[place]
        parent = stored_as.get(places.get(message.parent_id or "", -1))
        stored_as[place] = len(arranged)
        arranged.append(Placed(message, parent))
        for child in children[place]:
            heapq.heappush(ready, child)
    return arranged


def count_tree_bytes(tree: ImportedConversation) -> int:
    """What it counts for its account, as `conversations.stored_bytes` does; files count by themselves."""
    texts = [tree.columns.get("system_prompt", "")]
    for message in tree.messages:
        texts += [piece for piece in message.pieces if isinstance(piece, str)]
        texts.append(message.columns.get("reasoning", ""))
        if message.tool_calls:
            texts.append(msgspec.json.encode(message.tool_calls).decode())
    return sum(map(count_bytes, texts)) + ROW_BYTES * (len(tree.messages) + 1)


def store_tree(
    owner_id: uuid.UUID,
    tree: ImportedConversation,
    arranged: Sequence[Placed],
    files: ImportedFiles,
    folder_id: uuid.UUID | None,
) -> bool:
    """Store it under new ids; False when another request was quicker. Files are stored before that.

    Ids of the source are never taken over: whether somebody else has them is not to be learnt this way.
    """
    ids = [new_id() for _ in arranged]
    moment = tree.created_at or timezone.now()
    rows = list[Message]()
    for placed, id_ in zip(arranged, ids, strict=True):
        parent = rows[placed.parent] if placed.parent is not None else None
        moment = placed.message.created_at or (parent.created_at if parent else moment)
        rows.append(_make_row(placed.message, files, id_=id_, owner_id=owner_id, created_at=moment))
        rows[-1].parent_id = parent.pk if parent else None
    conversation = _make_conversation(owner_id, tree, arranged, rows, folder_id)
    pairs = zip(arranged, rows, strict=True)
    feedback = [given for placed, row in pairs if (given := _make_feedback(placed, row))]
    try:
        with transaction.atomic():
            # One in the trash is another one from now on, should it be taken out of it.
            Conversation.objects.deleted_by(owner_id).filter(import_key=tree.key).update(import_key=None)
            # The head is inserted after what points to it: foreign keys are checked at commit.
            conversation.save(force_insert=True)
            for row in rows:
                row.conversation_id = conversation.pk
            Message.objects.bulk_create(rows, batch_size=BATCH_ROWS)
            Feedback.objects.bulk_create(feedback, batch_size=BATCH_ROWS)
            if not rows:  # of others, searches find the title by what was said
                note_titles([conversation.pk])
    except IntegrityError:
        if is_here(owner_id, tree):
            return False
        raise
    return True


def _make_conversation(
    owner_id: uuid.UUID,
    tree: ImportedConversation,
    arranged: Sequence[Placed],
    rows: Sequence[Message],
    folder_id: uuid.UUID | None,
) -> Conversation:
    heads = {placed.message.id: row.pk for placed, row in zip(arranged, rows, strict=True)}
    moments: list[datetime] = [row.created_at for row in rows] or [timezone.now()]
    said = [NewMessage(MessageRole(row.role), row.content) for row in rows if row.role == MessageRole.USER][
        :1
    ]
    source = tree.title_source or TitleSource.USER
    return Conversation(
        owner_id=owner_id,
        import_key=tree.key,
        folder_id=folder_id,
        title=tree.title or make_title(said),
        title_source=source if tree.title else TitleSource.FIRST_MESSAGE,
        head_id=heads.get(tree.head_id or "", rows[-1].pk if rows else None),
        created_at=tree.created_at or min(moments),
        updated_at=tree.updated_at or max(moments),
        deleted_at=tree.deleted_at,
        **tree.columns,
    )


def _make_row(
    message: ImportedMessage,
    files: ImportedFiles,
    *,
    id_: uuid.UUID,
    owner_id: uuid.UUID,
    created_at: datetime,
) -> Message:
    texts = [piece for piece in message.pieces if isinstance(piece, str)]
    parts: list[Part] | None = None
    if len(texts) < len(message.pieces):
        parts = [
            {"type": "text", "length": len(piece)} if isinstance(piece, str) else files.make_part(piece)
            for piece in message.pieces
        ]
    return Message(
        id=id_,
        owner_id=owner_id,
        role=message.role,
        content=TEXT_GAP.join(texts),
        parts=parts,
        tool_calls=message.tool_calls,
        created_at=created_at,
        **message.columns,
    )


def _make_feedback(placed: Placed, message: Message) -> Feedback | None:
    given = placed.message.feedback
    if given is None:
        return None
    return Feedback(
        message=message,
        owner_id=message.owner_id,
        rating=given.rating,
        reason=given.reason,
        comment=given.comment,
        created_at=given.created_at or message.created_at,
    )

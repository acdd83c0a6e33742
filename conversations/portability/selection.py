"""What an export holds, read in batches that are bounded in rows and bytes.

A batch takes a constant number of queries, however many conversations are in it. No cursor is kept open
between them, so that a slow reader holds neither a transaction nor a snapshot.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count, Sum

from conversations.files.parts import file_ids_in
from conversations.models import Conversation, ConversationQuerySet, Message, StoredFile
from conversations.selectors import messages_to_show
from gateway.errors import NotFound

PAGE_CONVERSATIONS = 50
BATCH_MESSAGES = 500
BATCH_BYTES = 2**20
"""Of texts. One message that is longer is a batch by itself."""
PAGE_FILES = 100


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Conversations of one account: those of `ids`, or all."""

    owner_id: uuid.UUID
    ids: Sequence[uuid.UUID] | None = None
    is_complete: bool = False
    """With the trash, and with files that no message refers to."""

    @property
    def conversations(self) -> ConversationQuerySet:
        own = Conversation.objects.filter(owner_id=self.owner_id)
        if not self.is_complete:
            own = own.visible_to(self.owner_id)
        return own if self.ids is None else own.filter(pk__in=self.ids)

    def check(self) -> None:
        """Raises NotFound for ids of which one is missing, deleted or somebody else's."""
        if self.ids is not None and self.conversations.count() != len(set(self.ids)):
            raise NotFound("There is no such conversation.")


def read_pages(selection: Selection) -> Iterator[list[Conversation]]:
    """The conversations, a page at a time, in the order of ids."""
    rows = selection.conversations.select_related("folder").order_by("pk")
    page = list(rows[:PAGE_CONVERSATIONS])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE_CONVERSATIONS])


def read_conversations(selection: Selection) -> Iterator[Conversation | Message]:
    """Each conversation, followed by its messages in the order of ids, so parents before children."""
    for page in read_pages(selection):
        by_id = {conversation.pk: conversation for conversation in page}
        for ids in _group(by_id):
            if len(ids) == 1:
                yield by_id[ids[0]]
                yield from _read_messages(ids[0])
            else:
                yield from _read_group([by_id[id_] for id_ in ids])


def _group(page: dict[uuid.UUID, Conversation]) -> Iterator[list[uuid.UUID]]:
    """The ids of a page, together where their messages fit in a batch."""
    counted = Message.objects.filter(conversation__in=page).order_by().values_list("conversation_id")
    sizes = {id_: (rows, size or 0) for id_, rows, size in counted.annotate(Count("pk"), Sum("size_bytes"))}
    group: list[uuid.UUID] = []
    left_rows, left_bytes = BATCH_MESSAGES, BATCH_BYTES
    for id_ in page:
        rows, size_bytes = sizes.get(id_, (0, 0))
        if group and (rows > left_rows or size_bytes > left_bytes):
            yield group
            group, left_rows, left_bytes = [], BATCH_MESSAGES, BATCH_BYTES
        group.append(id_)
        left_rows -= rows
        left_bytes -= size_bytes
    yield group


def _read_group(group: Sequence[Conversation]) -> Iterator[Conversation | Message]:
    said: dict[uuid.UUID, list[Message]] = {conversation.pk: [] for conversation in group}
    for message in messages_to_show().filter(conversation__in=said).order_by("pk"):
        said[message.conversation_id].append(message)
    for conversation in group:
        yield conversation
        yield from said.pop(conversation.pk)


def _read_messages(conversation_id: uuid.UUID) -> Iterator[Message]:
    rows = Message.objects.filter(conversation=conversation_id).order_by("pk")
    sizes = list(rows.values_list("pk", "size_bytes")[:BATCH_MESSAGES])
    while sizes:
        for ids in split_by_size(sizes):
            yield from messages_to_show().filter(pk__in=ids).order_by("pk")
        sizes = list(rows.filter(pk__gt=sizes[-1][0]).values_list("pk", "size_bytes")[:BATCH_MESSAGES])


def split_by_size(sizes: Sequence[tuple[uuid.UUID, int]]) -> Iterator[list[uuid.UUID]]:
    """The ids in groups of BATCH_BYTES at most."""
    ids: list[uuid.UUID] = []
    left_bytes = BATCH_BYTES
    for id_, size_bytes in sizes:
        if ids and size_bytes > left_bytes:
            yield ids
            ids, left_bytes = [], BATCH_BYTES
        ids.append(id_)
        left_bytes -= size_bytes
    yield ids


def read_files(selection: Selection) -> Iterator[StoredFile]:
    """The files that messages of these conversations refer to, or all of the account's; without their texts.

    Their ids are held in memory meanwhile: an account has a bounded number of files.
    """
    own = StoredFile.objects.filter(owner=selection.owner_id)
    ids = sorted(own.values_list("pk", flat=True) if selection.is_complete else _find_used_files(selection))
    for start in range(0, len(ids), PAGE_FILES):
        yield from own.filter(pk__in=ids[start : start + PAGE_FILES]).defer("text").order_by("pk")


def _find_used_files(selection: Selection) -> set[uuid.UUID]:
    said = Message.objects.filter(
        owner=selection.owner_id, parts__isnull=False, conversation__in=selection.conversations.values("pk")
    )
    found = said.order_by().values_list("parts", flat=True).iterator(chunk_size=BATCH_MESSAGES)
    return {id_ for parts in found for id_ in file_ids_in(parts)}

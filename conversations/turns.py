"""Begins the turns of conversations: stores the user's message and the answer's row, before its first token.

Functions here take a batch and answer one result each, for `gateway.batching`. They are the only
writers of messages.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from conversations.branches import Prompt, active_branch, to_prompt
from conversations.models import Conversation, Message, MessageRole, MessageStatus
from gateway.errors import (
    AuthenticationFailed,
    ConversationBusy,
    GatewayError,
    IdempotencyInProgress,
    NotFound,
)
from gateway.ids import new_id

TITLE_LENGTH = 60


@dataclass(frozen=True)
class NewMessage:
    role: MessageRole
    content: str


@dataclass(frozen=True, kw_only=True)
class NewTurn:
    """A turn to begin. Without `conversation_id` a new conversation is created."""

    owner_id: uuid.UUID
    messages: tuple[NewMessage, ...]
    model: str
    conversation_id: uuid.UUID | None = None
    parent_id: uuid.UUID | None = None
    system_prompt: str = ""
    """Of the new conversation; an existing one keeps its own."""
    client_message_id: str | None = None
    request_id: str = ""
    lease_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A stored turn: the prompt for the engine, and the row of the answer."""

    conversation_id: uuid.UUID
    message_id: uuid.UUID
    prompt: Prompt
    replay: Message | None = None
    """The stored answer to a message that was answered before; then nothing has to be generated."""


def begin_turns(items: Sequence[NewTurn]) -> list[Turn | Exception]:
    """Record each turn, all in one transaction. Each result is its turn, or the GatewayError it met.

    NotFound: no such conversation or parent of this owner. ConversationBusy: an answer is still
    streaming there. IdempotencyInProgress: this client_message_id is being answered right now.
    """
    try:
        with transaction.atomic():
            batch = _Batch(items)
            results = [batch.begin(item) for item in items]
            batch.write()
    except IntegrityError as exc:
        if len(items) > 1:
            raise  # the worker tries them one by one
        return [_as_conflict(exc)]
    return results


@dataclass(frozen=True)
class RepeatKey:
    owner_id: uuid.UUID
    client_message_id: str


def find_answers(items: Sequence[RepeatKey]) -> list[Turn | Exception | None]:
    """The stored answer to each repeated message; None where there is none. Needs no engine."""
    return [_find_answer(item) for item in items]


def _find_answer(item: RepeatKey) -> Turn | None:
    answer = (
        Message.objects.filter(
            parent__owner_id=item.owner_id,
            parent__client_message_id=item.client_message_id,
            conversation__deleted_at=None,
            role=MessageRole.ASSISTANT,
        )
        .order_by("-id")
        .first()
    )
    if answer is None or answer.status in {MessageStatus.STREAMING, MessageStatus.ERROR}:
        return None
    return Turn(conversation_id=answer.conversation_id, message_id=answer.id, prompt=[], replay=answer)


@dataclass
class _Tree:
    """A conversation with its messages, as far as this batch knows it."""

    conversation: Conversation
    messages: dict[uuid.UUID, Message] = field(default_factory=dict)
    is_new: bool = False

    @property
    def is_busy(self) -> bool:
        return any(m.status == MessageStatus.STREAMING for m in self.messages.values())


class _Batch:
    """Loads what all turns of a batch need in a constant number of queries, and writes likewise."""

    def __init__(self, items: Sequence[NewTurn]) -> None:
        self._now = timezone.now()
        self._new_conversations: list[Conversation] = []
        self._new_messages: list[Message] = []
        self._touched: dict[uuid.UUID, Conversation] = {}
        self._repeated = _load_repeated(items)
        wanted = {i.conversation_id for i in items if i.conversation_id}
        self._trees = _load_trees(wanted | {m.conversation_id for m in self._repeated.values()})

    def begin(self, item: NewTurn) -> Turn | Exception:
        try:
            repeated = self._repeated.get((item.owner_id, item.client_message_id or ""))
            return self._repeat(item, repeated) if repeated else self._begin_new(item)
        except GatewayError as exc:
            return exc

    def _begin_new(self, item: NewTurn) -> Turn:
        tree = self._tree_of(item) if item.conversation_id else self._new_tree(item)
        if tree.is_busy:
            raise ConversationBusy
        parent_id = item.parent_id or tree.conversation.head_id
        if parent_id and parent_id not in tree.messages:
            raise NotFound("There is no such parent message.", param="parent_id")
        for message in item.messages:
            row = self._add(tree, item, parent_id=parent_id, role=message.role, content=message.content)
            parent_id = row.id
        # A repeat is recognised by the message that asks, the last one.
        tree.messages[parent_id].client_message_id = item.client_message_id  # type: ignore[index]
        if item.client_message_id:
            self._repeated[(item.owner_id, item.client_message_id)] = tree.messages[parent_id]  # type: ignore[index]
        return self._await_answer(tree, item, parent_id)

    def _repeat(self, item: NewTurn, asked: Message) -> Turn:
        tree = self._trees[asked.conversation_id]
        if tree.conversation.deleted_at is not None:
            raise NotFound(
                "The conversation of this client_message_id was deleted.", param="client_message_id"
            )
        answers = [m for m in tree.messages.values() if m.parent_id == asked.id]
        last = max(answers, key=lambda m: m.id, default=None)
        if last is not None and last.status == MessageStatus.STREAMING:
            raise IdempotencyInProgress
        if last is not None and last.status != MessageStatus.ERROR:
            return Turn(
                conversation_id=asked.conversation_id,
                message_id=last.id,
                prompt=[],
                replay=last,
            )
        if tree.is_busy:
            raise ConversationBusy
        # Where the conversation has gone on meanwhile, the new answer is a sibling beside its branch.
        is_at_head = tree.conversation.head_id in {asked.id, last.id if last else None}
        return self._await_answer(tree, item, asked.id, becomes_head=is_at_head)

    def _await_answer(
        self, tree: _Tree, item: NewTurn, parent_id: uuid.UUID | None, *, becomes_head: bool = True
    ) -> Turn:
        prompt = to_prompt(tree.conversation.system_prompt, active_branch(tree.messages, parent_id))
        answer = self._add(
            tree,
            item,
            parent_id=parent_id,
            role=MessageRole.ASSISTANT,
            status=MessageStatus.STREAMING,
            model=item.model,
            lease_expires_at=self._now + timedelta(seconds=item.lease_s),
        )
        conversation = tree.conversation
        if becomes_head:
            conversation.head_id = answer.id
        conversation.model = item.model
        conversation.updated_at = self._now
        if not tree.is_new:
            conversation.version += 1
            self._touched[conversation.id] = conversation
        return Turn(conversation_id=conversation.id, message_id=answer.id, prompt=prompt)

    def _add(self, tree: _Tree, item: NewTurn, **columns: object) -> Message:
        row = Message(
            conversation_id=tree.conversation.id,
            owner_id=item.owner_id,
            request_id=item.request_id,
            created_at=self._now,
            **columns,
        )
        tree.messages[row.id] = row
        self._new_messages.append(row)
        return row

    def _tree_of(self, item: NewTurn) -> _Tree:
        tree = self._trees.get(item.conversation_id) if item.conversation_id else None
        if tree is None or tree.conversation.owner_id != item.owner_id or tree.conversation.deleted_at:
            raise NotFound("There is no such conversation.", param="conversation_id")
        return tree

    def _new_tree(self, item: NewTurn) -> _Tree:
        if item.parent_id:
            raise NotFound("There is no such parent message.", param="parent_id")
        conversation = Conversation(
            id=new_id(),
            owner_id=item.owner_id,
            title=make_title(item.messages),
            system_prompt=item.system_prompt,
            created_at=self._now,
        )
        tree = self._trees[conversation.id] = _Tree(conversation, is_new=True)
        self._new_conversations.append(conversation)
        return tree

    def write(self) -> None:
        # Conversations point at their head before it is inserted: foreign keys are checked at commit.
        if self._new_conversations:
            Conversation.objects.bulk_create(self._new_conversations)
        if self._new_messages:
            Message.objects.bulk_create(self._new_messages)
        if self._touched:
            Conversation.objects.bulk_update(
                self._touched.values(), ["head", "model", "updated_at", "version"]
            )


def _load_repeated(items: Sequence[NewTurn]) -> dict[tuple[uuid.UUID, str], Message]:
    keys = {i.client_message_id for i in items if i.client_message_id}
    if not keys:
        return {}
    rows = Message.objects.filter(client_message_id__in=keys, owner_id__in={i.owner_id for i in items})
    return {(row.owner_id, row.client_message_id or ""): row for row in rows}


def _load_trees(conversation_ids: set[uuid.UUID]) -> dict[uuid.UUID, _Tree]:
    if not conversation_ids:
        return {}
    # The row lock makes "is it busy?" and "take it" one step; ordered, so that batches cannot deadlock.
    locked = Conversation.objects.select_for_update().filter(pk__in=conversation_ids).order_by("pk")
    trees = {conversation.id: _Tree(conversation) for conversation in locked}
    for message in Message.objects.filter(conversation_id__in=trees):
        trees[message.conversation_id].messages[message.id] = message
    return trees


def _as_conflict(exc: IntegrityError) -> Exception:
    text = str(exc)
    if "client_message_id" in text:
        return IdempotencyInProgress()
    if "foreign key" in text.lower():
        return AuthenticationFailed("The account of this token is gone.")
    if "one_streaming_message" in text or "conversations_message.conversation_id" in text:
        return ConversationBusy()
    return exc


def make_title(messages: Sequence[NewMessage]) -> str:
    """The first line that the user wrote, cut at a word to TITLE_LENGTH characters."""
    first = next((m.content for m in messages if m.role == MessageRole.USER), "")
    line = " ".join(first.split())
    if len(line) <= TITLE_LENGTH:
        return line
    cut = line[:TITLE_LENGTH]
    return (cut.rpartition(" ")[0] or cut) + "…"

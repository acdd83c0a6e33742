"""A batch of turns: loads what they need in a constant number of queries, decides, and writes likewise."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from conversations.branches import Branch, BranchLimits, load_branches, to_prompt
from conversations.files.prompts import load_attached
from conversations.models import Message, MessageRole, MessageStatus
from conversations.new_turns import LargeTurn, NewTurn, PreparedPrompt, Turn, TurnIds, make_title
from conversations.places import Place, load_places
from conversations.prompt_sizes import LIGHT, count_prompt_bytes
from conversations.repeats import AskedByKey, AskedMessage, load_asked
from conversations.tool_results import check_results
from conversations.turn_rows import (
    NewConversation,
    NewMessageRow,
    TakenConversation,
    TurnRows,
    write_turns,
)
from gateway.errors import (
    ConversationBusy,
    ConversationFull,
    GatewayError,
    IdempotencyInProgress,
    NotFound,
)
from gateway.ids import new_id


class TurnBatch:
    """Loads what all turns of a batch need in a constant number of queries, and writes likewise."""

    def __init__(self, items: Sequence[NewTurn], *, limits: BranchLimits = LIGHT) -> None:
        self._now = timezone.now()
        self._rows = TurnRows()
        self._asked = load_asked([key for item in items if (key := item.repeat_key)])
        self._replays = load_replays(self._asked)
        wanted = {i.conversation_id for i in items if i.conversation_id}
        wanted |= {asked.conversation_id for asked in self._asked.values()}
        self._places = load_places(wanted)
        ends = {end for item in items if item.prepared is None and (end := self._find_end(item))}
        self._branches = load_branches(ends, limits)

    def begin(self, item: NewTurn) -> Turn | LargeTurn | Exception:
        try:
            asked = self._asked_by(item)
            return self._repeat(item, asked) if asked else self._begin_new(item)
        except GatewayError as exc:
            return exc

    def prepare(self, item: NewTurn) -> PreparedPrompt:
        """The turn's prompt. Raises GatewayError."""
        asked = self._asked_by(item)
        if asked is None:
            self._place_of(item)
        end_id = self._find_end(item)
        branch = self._branch_to(end_id, _conversation_id_of(item, asked))
        if branch is not None and not branch.is_whole:
            item.limits.check_prompt(branch.size_bytes)
            raise ConversationFull
        return self._make_prompt(item, asked, branch, end_id)

    def _begin_new(self, item: NewTurn) -> Turn | LargeTurn:
        place = self._place_of(item)
        if place is not None and place.is_busy:
            raise ConversationBusy
        stored_bytes = place.stored_bytes if place else 0
        item.limits.check_conversation(stored_bytes, item.size_bytes, len(item.messages) + 1)
        parent_id = self._find_end(item)
        prepared = self._prompt_of(item, None, parent_id)
        if isinstance(prepared, LargeTurn):
            return prepared
        ids = item.ids or TurnIds.make(len(item.messages))
        conversation_id = place.id if place else ids.conversation_id
        for id_, message in zip(ids.message_ids, item.messages, strict=True):
            extra = message.extra._asdict() if message.extra is not None else {}
            row = self._add(
                *(id_, conversation_id, item),
                parent_id=parent_id,
                role=message.role,
                content=message.content,
                **extra,
            )
            parent_id = id_
        if item.client_message_id:
            # A repeat is recognised by the message that asks, the last one.
            row.client_message_id, row.request_digest = item.client_message_id, item.request_digest
        turn = self._await_answer(ids.answer_id, conversation_id, item, parent_id, prepared)
        if item.client_message_id:
            self._asked[(item.owner_id, item.client_message_id)] = AskedMessage(
                row.id,
                turn.conversation_id,
                item.request_digest,
                answer_id=turn.message_id,
                answer_status=MessageStatus.STREAMING,
            )
        return turn

    def _repeat(self, item: NewTurn, asked: AskedMessage) -> Turn | LargeTurn:
        place = self._places[asked.conversation_id]
        if place.is_deleted:
            raise NotFound(
                "The conversation of this client_message_id was deleted.", param="client_message_id"
            )
        if asked.answer_status == MessageStatus.STREAMING:
            raise IdempotencyInProgress
        if (answered := replay(asked, self._replays)) is not None:
            return answered
        if place.is_busy:
            raise ConversationBusy
        item.limits.check_conversation(place.stored_bytes, 0, 1)
        prepared = self._prompt_of(item, asked, asked.id)
        if isinstance(prepared, LargeTurn):
            return prepared
        # Where the conversation has gone on meanwhile, the new answer is a sibling beside its branch.
        is_at_head = place.head_id in {asked.id, asked.answer_id}
        return self._await_answer(new_id(), place.id, item, asked.id, prepared, becomes_head=is_at_head)

    def _prompt_of(
        self, item: NewTurn, asked: AskedMessage | None, end_id: uuid.UUID | None
    ) -> PreparedPrompt | LargeTurn:
        if item.prepared is not None:
            if item.prepared.end_id != end_id:
                raise ConversationBusy  # it went on since the prompt was prepared
            return item.prepared
        branch = self._branch_to(end_id, _conversation_id_of(item, asked))
        if branch is not None and (not branch.is_whole or branch.has_parts):
            return LargeTurn()
        if item.has_parts:
            return LargeTurn()
        prepared = self._make_prompt(item, asked, branch, end_id)
        fits = item.limits.surely_fits(prepared.size_bytes, len(prepared.prompt))
        return prepared if fits else LargeTurn()

    def _make_prompt(
        self, item: NewTurn, asked: AskedMessage | None, branch: Branch | None, end_id: uuid.UUID | None
    ) -> PreparedPrompt:
        system_prompt = item.system_prompt
        if (conversation_id := _conversation_id_of(item, asked)) is not None:
            system_prompt = self._places[conversation_id].system_prompt
        said = [*(branch.messages if branch else ()), *(() if asked else item.messages)]
        check_results(item.messages, said)
        attached = load_attached(item, said) if item.has_parts or (branch and branch.has_parts) else None
        prompt = to_prompt(system_prompt, said, attached)
        size_bytes = count_prompt_bytes(prompt)
        item.limits.check_prompt(size_bytes)
        largest_file = attached.largest_file if attached else ""
        return PreparedPrompt(end_id=end_id, prompt=prompt, size_bytes=size_bytes, largest_file=largest_file)

    def _await_answer(
        self,
        id_: uuid.UUID,
        conversation_id: uuid.UUID,
        item: NewTurn,
        parent_id: uuid.UUID | None,
        prepared: PreparedPrompt,
        *,
        becomes_head: bool = True,
    ) -> Turn:
        answer = self._add(
            *(id_, conversation_id, item),
            parent_id=parent_id,
            role=MessageRole.ASSISTANT,
            status=MessageStatus.STREAMING,
            model=item.model,
            lease_expires_at=self._now + timedelta(seconds=item.lease_s),
        )
        place = self._places.get(conversation_id)
        if place is None:
            self._start_conversation(conversation_id, item, answer.id)
        else:
            self._take_conversation(place, item, answer.id if becomes_head else place.head_id)
        return Turn(conversation_id=conversation_id, message_id=answer.id, prompt=prepared.prompt)

    def _start_conversation(self, conversation_id: uuid.UUID, item: NewTurn, head_id: uuid.UUID) -> None:
        place = self._places[conversation_id] = Place(
            conversation_id, item.owner_id, head_id=head_id, system_prompt=item.system_prompt, is_busy=True
        )
        self._rows.started.append(
            NewConversation(
                id=place.id,
                owner_id=place.owner_id,
                title=make_title(item.messages),
                system_prompt=place.system_prompt,
                model=item.model,
                head_id=head_id,
                created_at=self._now,
                updated_at=self._now,
            )
        )

    def _take_conversation(self, place: Place, item: NewTurn, head_id: uuid.UUID | None) -> None:
        place.is_busy, place.head_id, place.version = True, head_id, place.version + 1
        self._rows.taken[place.id] = TakenConversation(
            id=place.id, head_id=head_id, model=item.model, updated_at=self._now, version=place.version
        )

    def _add(
        self, id_: uuid.UUID, conversation_id: uuid.UUID, item: NewTurn, **columns: Any
    ) -> NewMessageRow:
        row = NewMessageRow(
            id=id_,
            conversation_id=conversation_id,
            owner_id=item.owner_id,
            request_id=item.request_id,
            created_at=self._now,
            **columns,
        )
        self._rows.messages.append(row)
        return row

    def _asked_by(self, item: NewTurn) -> AskedMessage | None:
        """What the item repeats. Raises PermissionDenied or ClientMessageIdReused."""
        if (key := item.repeat_key) is None:
            return None
        asked = self._asked.get((key.owner_id, key.client_message_id))
        if asked is not None:
            asked.check_repeat(key)
        return asked

    def _find_end(self, item: NewTurn) -> uuid.UUID | None:
        """The message that the item follows; None where its owner has none there."""
        asked = self._asked.get((item.owner_id, item.client_message_id or ""))
        if asked is not None:
            return asked.id
        place = self._places.get(item.conversation_id) if item.conversation_id else None
        if place is None or place.owner_id != item.owner_id:
            return None
        return item.parent_id or place.head_id

    def _branch_to(self, end_id: uuid.UUID | None, conversation_id: uuid.UUID | None) -> Branch | None:
        if end_id is None:
            return None
        branch = self._branches.get(end_id)
        if branch is None or branch.conversation_id != conversation_id:
            raise NotFound("There is no such parent message.", param="parent_id")
        return branch

    def _place_of(self, item: NewTurn) -> Place | None:
        """The existing conversation of the item; None for a new one. Raises NotFound."""
        if item.conversation_id is None:
            if item.parent_id:
                raise NotFound("There is no such parent message.", param="parent_id")
            return None
        place = self._places.get(item.conversation_id)
        if place is None or place.owner_id != item.owner_id or place.is_deleted:
            raise NotFound("There is no such conversation.", param="conversation_id")
        return place

    def write(self) -> set[uuid.UUID]:
        """Store it all; see `write_turns`."""
        return write_turns(self._rows)


def _conversation_id_of(item: NewTurn, asked: AskedMessage | None) -> uuid.UUID | None:
    return asked.conversation_id if asked else item.conversation_id


def load_replays(asked: AskedByKey) -> dict[uuid.UUID, Message]:
    ids = [a.answer_id for a in asked.values() if a.is_answered and a.answer_id is not None]
    return Message.objects.in_bulk(ids) if ids else {}


def replay(asked: AskedMessage, replays: dict[uuid.UUID, Message]) -> Turn | None:
    answer = replays.get(asked.answer_id) if asked.answer_id else None
    if answer is None:
        return None
    return Turn(conversation_id=answer.conversation_id, message_id=answer.id, prompt=[], replay=answer)

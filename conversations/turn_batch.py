"""A batch of turns: loads what they need in a constant number of queries, decides, and writes likewise."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from conversations.branches import BranchLimits, load_branches
from conversations.known_messages import KnownMessage, load_known_messages
from conversations.models import MessageRole, MessageStatus
from conversations.new_turns import LargeTurn, NewTurn, PreparedPrompt, Turn, TurnIds, make_title
from conversations.places import Place, load_places
from conversations.prompt_sizes import LIGHT
from conversations.repeats import AskedMessage, load_asked
from conversations.replays import load_replays, replay
from conversations.turn_prompts import TurnPrompts
from conversations.turn_rows import (
    NewConversation,
    NewMessageRow,
    ReopenedAnswer,
    TakenConversation,
    TurnRows,
    write_turns,
)
from gateway.errors import (
    ConversationBusy,
    GatewayError,
    IdempotencyInProgress,
    InvalidRequest,
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
        # Before the places: a turn that another one overtook meanwhile finds its conversation busy, or stale.
        self._known = load_known_messages({known_id for i in items if (known_id := i.known_id)})
        self._places = load_places(wanted)
        ends = {end for item in items if item.prepared is None and (end := self._find_end(item))}
        self._prompts = TurnPrompts(self._places, self._known, load_branches(ends, limits))

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
            self._known_of(item)
        return self._prompts.prepare(item, asked, self._find_end(item))

    def _begin_new(self, item: NewTurn) -> Turn | LargeTurn:
        place = self._place_of(item)
        if place is not None and place.is_busy:
            raise ConversationBusy
        known = self._known_of(item)
        stored_bytes = place.stored_bytes if place else 0
        item.limits.check_conversation(stored_bytes, item.size_bytes, item.new_rows)
        parent_id = self._find_end(item)
        prepared = self._prompts.find(item, None, parent_id)
        if isinstance(prepared, LargeTurn):
            return prepared
        if place is not None and known is not None and item.continues:
            return self._reopen(place, item, known, prepared)
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
            raise _being_answered(asked)
        if (answered := replay(asked, self._replays)) is not None:
            return answered
        if place.is_busy:
            raise ConversationBusy
        item.limits.check_conversation(place.stored_bytes, 0, 1)
        prepared = self._prompts.find(item, asked, asked.id)
        if isinstance(prepared, LargeTurn):
            return prepared
        # Where the conversation has gone on meanwhile, the new answer is a sibling beside its branch.
        is_at_head = place.head_id in {asked.id, asked.answer_id}
        return self._await_answer(new_id(), place.id, item, asked.id, prepared, becomes_head=is_at_head)

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
            omitted_messages=prepared.omitted_messages,
        )
        place = self._places.get(conversation_id)
        if place is None:
            self._start_conversation(conversation_id, item, answer.id)
        else:
            self._take_conversation(place, item, answer.id if becomes_head else place.head_id)
        return Turn(
            conversation_id=conversation_id,
            message_id=answer.id,
            prompt=prepared.prompt,
            omitted_messages=prepared.omitted_messages,
        )

    def _reopen(self, place: Place, item: NewTurn, known: KnownMessage, prepared: PreparedPrompt) -> Turn:
        """The answer's own row streams again, from the text that it has."""
        self._rows.reopened.append(
            ReopenedAnswer(
                id=known.id,
                conversation_id=place.id,
                size_bytes=known.size_bytes,
                error_code=known.error_code,
                finish_reason=known.finish_reason,
                request_id=item.request_id,
                lease_expires_at=self._now + timedelta(seconds=item.lease_s),
                omitted_messages=prepared.omitted_messages,
            )
        )
        self._take_conversation(place, item, known.id)
        return Turn(
            conversation_id=place.id,
            message_id=known.id,
            prompt=prepared.prompt,
            omitted_messages=prepared.omitted_messages,
            continued=known,
        )

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
        if item.known_id:
            known = self._known.get(item.known_id)
            if known is None or known.conversation_id != place.id:
                return None
            return known.parent_id if item.regenerates and known.is_answer else known.id
        return item.parent_id or place.head_id

    def _known_of(self, item: NewTurn) -> KnownMessage | None:
        """The message that the item answers again or goes on with. Raises NotFound, AnswerNotContinuable."""
        if item.known_id is None:
            return None
        known = self._known.get(item.known_id)
        if known is None or known.conversation_id != item.conversation_id:
            raise NotFound("There is no such message.")
        if item.continues:
            known.check_continuable()
        elif known.role == MessageRole.SYSTEM or (known.is_answer and known.parent_id is None):
            raise InvalidRequest("There is no question that this message answers, or is.")
        return known

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


def _being_answered(asked: AskedMessage) -> GatewayError:
    """With where the answer comes in, so that the client can follow it."""
    place = {"conversation_id": str(asked.conversation_id), "message_id": str(asked.answer_id)}
    headers = {f"x-{name.replace('_', '-')}": value for name, value in place.items()}
    return IdempotencyInProgress(details=place).with_headers(headers)

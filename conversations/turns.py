"""Begins the turns of conversations: stores the user's message and the answer's row, before its first token.

Functions here take a batch and answer one result each, for `gateway.batching`. They are the only
writers of messages.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import IntegrityError, transaction

from conversations.models import Message
from conversations.new_turns import LargeTurn, NewTurn, PreparedPrompt, Turn
from conversations.repeats import AskedByKey, RepeatKey, load_asked
from conversations.turn_batch import TurnBatch, load_replays, replay
from gateway.errors import AuthenticationFailed, ConversationBusy, GatewayError, IdempotencyInProgress


def begin_turns(items: Sequence[NewTurn]) -> list[Turn | LargeTurn | Exception]:
    """Record each turn, all in one transaction. Each result is its turn, or the GatewayError it met.

    NotFound: no such conversation or parent of this owner. ConversationBusy: an answer is still
    streaming there. IdempotencyInProgress: this client_message_id is being answered right now.
    ClientMessageIdReused, PermissionDenied: see AskedMessage.check_repeat. ContextLengthExceeded and
    ConversationFull: it cannot fit, and is not stored.
    """
    try:
        with transaction.atomic():
            batch = TurnBatch(items)
            results = [batch.begin(item) for item in items]
            batch.write()
    except IntegrityError as exc:
        if len(items) > 1:
            raise  # the worker tries them one by one
        return [_as_conflict(exc)]
    return results


def find_answers(items: Sequence[RepeatKey]) -> list[Turn | Exception | None]:
    """The stored answer to each repeated message; None where there is none. Needs no engine.

    An item may meet PermissionDenied or ClientMessageIdReused instead.
    """
    asked = load_asked(items)
    replays = load_replays(asked)
    return [_find_answer(item, asked, replays) for item in items]


def _find_answer(
    item: RepeatKey, asked: AskedByKey, replays: dict[uuid.UUID, Message]
) -> Turn | Exception | None:
    repeated = asked.get((item.owner_id, item.client_message_id))
    if repeated is None:
        return None
    try:
        repeated.check_repeat(item)
    except GatewayError as exc:
        return exc
    return None if repeated.deleted_at else replay(repeated, replays)


def prepare_turns(items: Sequence[NewTurn]) -> list[PreparedPrompt | Exception]:
    """The prompt of each turn that is too large for a batch; records nothing.

    Meant for a thread that others' turns do not wait for. NotFound, ContextLengthExceeded and
    ConversationFull as in `begin_turns`.
    """
    return [_prepare(item) for item in items]


def _prepare(item: NewTurn) -> PreparedPrompt | Exception:
    try:
        with transaction.atomic():
            return TurnBatch([item], is_locked=False, limits=item.limits.branch).prepare(item)
    except GatewayError as exc:
        return exc


def _as_conflict(exc: IntegrityError) -> Exception:
    text = str(exc)
    if "client_message_id" in text:
        return IdempotencyInProgress()
    if "foreign key" in text.lower():
        return AuthenticationFailed("The account of this token is gone.")
    if "one_streaming_message" in text or "conversations_message.conversation_id" in text:
        return ConversationBusy()
    return exc

"""Begins the turns of conversations: stores the user's message and the answer's row, before its first token.

Functions here take a batch and answer one result each, for `gateway.batching`. They are the only
writers of messages.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import IntegrityError

from conversations.models import Message
from conversations.new_turns import LargeTurn, NewTurn, PreparedPrompt, Turn
from conversations.repeats import AskedByKey, RepeatKey, load_asked
from conversations.replays import load_replays, replay
from conversations.turn_batch import TurnBatch
from conversations.turn_rows import AnswersChanged, turn_transaction
from gateway.errors import AuthenticationFailed, ConversationBusy, GatewayError, IdempotencyInProgress

MOST_TRIES = 3
"""For a conversation that others go on with meanwhile, or change."""


def begin_turns(items: Sequence[NewTurn]) -> list[Turn | LargeTurn | Exception]:
    """Record each turn, all in one transaction. Each result is its turn, or the GatewayError it met.

    AnswerNotContinuable: see KnownMessage.check_continuable.
    NotFound: no such conversation or parent of this owner. ConversationBusy: an answer is still
    streaming there. IdempotencyInProgress: this client_message_id is being answered right now.
    ClientMessageIdReused, PermissionDenied: see AskedMessage.check_repeat. ContextLengthExceeded and
    ConversationFull: it cannot fit, and is not stored.
    """
    results = _begin(items)
    for _ in range(MOST_TRIES - 1):
        stale = [n for n, result in enumerate(results) if isinstance(result, _Stale)]
        if not stale:
            return results
        for n, result in zip(stale, _begin([items[n] for n in stale]), strict=True):
            results[n] = result
    return [ConversationBusy() if isinstance(result, _Stale) else result for result in results]


class _Stale(Exception):
    """The conversation changed between the batch's reading it and its writing."""


def _begin(items: Sequence[NewTurn]) -> list[Turn | LargeTurn | Exception]:
    try:
        with turn_transaction():
            batch = TurnBatch(items)
            results = [batch.begin(item) for item in items]
            stale = batch.write()
    except IntegrityError as exc:
        if len(items) > 1:
            raise  # the worker tries them one by one
        return [_as_conflict(exc)]
    if not stale:
        return results
    return [_Stale() if isinstance(r, Turn) and r.conversation_id in stale else r for r in results]


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
        return TurnBatch([item], limits=item.limits.branch).prepare(item)
    except GatewayError as exc:
        return exc


def _as_conflict(exc: IntegrityError) -> Exception:
    if isinstance(exc, AnswersChanged):
        return _Stale()
    text = str(exc)
    if "client_message_id" in text:
        return IdempotencyInProgress()
    if "foreign key" in text.lower():
        return AuthenticationFailed("The account of this token is gone.")
    if "one_streaming_message" in text or "conversations_message.conversation_id" in text:
        return ConversationBusy()
    return exc

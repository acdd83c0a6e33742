"""Stored responses of OpenAI's API: begun before their first byte, closed once, their owner's alone.

All functions are handlers of a `BatchWorker`. Somebody else's response looks like one that is missing, and so
does one that has expired.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from msgspec import Raw

from conversations.models import MAX_ITEM_ID, ResponseItem, ResponseStatus, StoredResponse
from conversations.response_ids import name_response, no_response
from gateway.errors import ConversationBusy, ConversationFull, InvalidRequest, NotFound

PREVIOUS = "previous_response_id"

_decode_items = msgspec.json.Decoder(list[Raw]).decode


class _Answer(msgspec.Struct):
    output: list[Raw] = []


class _Named(msgspec.Struct):
    id: str = ""


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_id = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True)
class ResponseKey:
    owner_id: uuid.UUID
    id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class EarlierKey:
    """The response that a new one goes on with."""

    owner_id: uuid.UUID
    previous_id: uuid.UUID
    limit_bytes: int
    """Of all that went before; 0 is none."""


@dataclass(frozen=True, kw_only=True)
class EarlierItems:
    """What went before, as the engine is told it: of each response its input and its output."""

    thread_id: uuid.UUID
    items: list[Raw]


@dataclass(frozen=True)
class NamedItems:
    """Items of the output of stored responses, by their ids."""

    owner_id: uuid.UUID
    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class NewResponse:
    id: uuid.UUID
    owner_id: uuid.UUID
    thread_id: uuid.UUID
    previous_id: uuid.UUID | None
    model: str
    input: str
    answer: str
    """What is told of it until it ends."""
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class ResponseOutcome:
    """How a response ended. Without an `answer`, as its client never heard of it, its row is removed."""

    id: uuid.UUID
    status: ResponseStatus
    model: str
    answer: str
    size_bytes: int


def find_earlier(items: Sequence[EarlierKey]) -> list[EarlierItems | Exception]:
    """What went before each. Results are NotFound where one of them is gone, ConversationBusy where the last
    one is not over, and ConversationFull where they are larger than the bound.
    """
    return [_find_earlier(item) for item in items]


def _find_earlier(key: EarlierKey) -> EarlierItems | Exception:
    newest = _own(ResponseKey(key.owner_id, key.previous_id)).only("thread_id").first()
    if newest is None:
        return _no_previous()
    rows = StoredResponse.objects.filter(owner_id=key.owner_id, thread_id=newest.thread_id)
    facts = {
        id_: (previous, status, size)
        for id_, previous, status, size in rows.values_list("id", "previous_id", "status", "size_bytes")
    }
    chain: list[uuid.UUID] = []
    total = 0
    next_id: uuid.UUID | None = key.previous_id
    while next_id is not None:
        if (found := facts.get(next_id)) is None:
            return _no_previous()
        chain.append(next_id)
        next_id, status, size = found
        total += size
        if status == ResponseStatus.IN_PROGRESS:
            return ConversationBusy("The previous response is still being generated.")
    if key.limit_bytes and total > key.limit_bytes:
        return ConversationFull("The responses before this one hold as much as they may. Start a new one.")
    texts = rows.filter(pk__in=chain).in_bulk()
    items: list[Raw] = []
    for id_ in reversed(chain):
        items += _decode_items(texts[id_].input)
        items += _decode_answer(texts[id_].answer).output
    return EarlierItems(thread_id=newest.thread_id, items=items)


def _no_previous() -> NotFound:
    return NotFound("There is no such response, or one before it is gone.", param=PREVIOUS)


def begin_responses(items: Sequence[NewResponse]) -> list[None]:
    StoredResponse.objects.bulk_create(
        StoredResponse(
            id=item.id,
            owner_id=item.owner_id,
            thread_id=item.thread_id,
            previous_id=item.previous_id,
            model=item.model,
            input=item.input,
            answer=item.answer,
            size_bytes=len(item.input.encode()) + len(item.answer.encode()),
            expires_at=item.expires_at,
        )
        for item in items
    )
    return [None] * len(items)


def close_responses(items: Sequence[ResponseOutcome]) -> list[None]:
    """Close each once. One that was cancelled meanwhile stays cancelled, with what it had by then."""
    with transaction.atomic():  # a try that fails is repeated as a whole
        for item in items:
            _close(item)
    return [None] * len(items)


def _close(item: ResponseOutcome) -> None:
    rows = StoredResponse.objects.filter(pk=item.id)
    if not item.answer:
        rows.delete()
        return
    replaced = {ResponseStatus.IN_PROGRESS}
    if item.status == ResponseStatus.CANCELLED:
        replaced.add(ResponseStatus.CANCELLED)
    is_closed = rows.filter(status__in=replaced).update(
        status=item.status, model=item.model, answer=item.answer, size_bytes=item.size_bytes
    )
    if is_closed:
        names = (_id_of(part) for part in _decode_answer(item.answer).output)
        ResponseItem.objects.bulk_create(
            ResponseItem(response_id=item.id, item_id=name) for name in names if 0 < len(name) <= MAX_ITEM_ID
        )


def find_items(items: Sequence[NamedItems]) -> list[dict[str, Raw] | Exception]:
    """The items that are named. A result is NotFound where one is missing, somebody else's, or expired."""
    return [_find_items(item) for item in items]


def _find_items(named: NamedItems) -> dict[str, Raw] | Exception:
    answers = StoredResponse.objects.filter(
        owner_id=named.owner_id, expires_at__gt=timezone.now(), items__item_id__in=named.ids
    )
    found: dict[str, Raw] = {}
    for answer in answers.order_by("created_at").values_list("answer", flat=True).distinct():
        for part in _decode_answer(answer).output:
            if (name := _id_of(part)) in named.ids:
                found[name] = part
    if named.ids - found.keys():
        return NotFound("An item that the input names is in no stored response.", param="input")
    return found


def _id_of(item: Raw) -> str:
    """Empty for an item without one, in whichever shape the engine sent it."""
    try:
        return _decode_id(item).id
    except msgspec.DecodeError:
        return ""


def find_responses(items: Sequence[ResponseKey]) -> list[StoredResponse | Exception]:
    return [_own(item).first() or no_response(name_response(item.id)) for item in items]


def cancel_responses(items: Sequence[ResponseKey]) -> list[StoredResponse | Exception]:
    """End each response that is not over; the process that generates it finds out by `find_ended`.

    A result is InvalidRequest where one has ended by itself.
    """
    for item in items:
        _own(item).filter(status=ResponseStatus.IN_PROGRESS).update(status=ResponseStatus.CANCELLED)
    return [
        _has_ended()
        if isinstance(found, StoredResponse) and found.status != ResponseStatus.CANCELLED
        else found
        for found in find_responses(items)
    ]


def _has_ended() -> InvalidRequest:
    """OpenAI's words first: its clients know them for every response that is not in the background."""
    return InvalidRequest("Cannot cancel a synchronous response. This one has ended.")


def delete_responses(items: Sequence[ResponseKey]) -> list[Exception | None]:
    """Those that went on with one of them cannot be gone on with any more."""
    return [None if _own(item).delete()[0] else no_response(name_response(item.id)) for item in items]


def find_ended(items: Sequence[frozenset[uuid.UUID]]) -> list[set[uuid.UUID]]:
    """Those of these ids whose response is not in progress any more: cancelled, or removed."""
    rows = StoredResponse.objects.filter(pk__in=set().union(*items), status=ResponseStatus.IN_PROGRESS)
    running = set(rows.values_list("pk", flat=True))
    return [set(ids - running) for ids in items]


def _own(key: ResponseKey) -> QuerySet[StoredResponse]:
    return StoredResponse.objects.filter(pk=key.id, owner_id=key.owner_id, expires_at__gt=timezone.now())

"""Stored responses: what goes before one, how it is closed, and whose it is."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import User
from conversations.models import ROW_BYTES, ResponseItem, ResponseStatus, StoredResponse
from conversations.stored_bytes import sum_stored_bytes
from conversations.stored_responses import (
    EarlierItems,
    EarlierKey,
    NewResponse,
    ResponseKey,
    ResponseOutcome,
    begin_responses,
    cancel_responses,
    close_responses,
    delete_responses,
    find_earlier,
    find_ended,
    find_responses,
)
from gateway.errors import ConversationBusy, ConversationFull, NotFound
from gateway.ids import new_id

pytestmark = pytest.mark.django_db


def begin(owner: User, said: str, previous: StoredResponse | None = None, **fields: Any) -> StoredResponse:
    id_ = new_id()
    new: dict[str, Any] = {
        "id": id_,
        "owner_id": owner.pk,
        "thread_id": previous.thread_id if previous else id_,
        "previous_id": previous.pk if previous else None,
        "model": "m",
        "input": json.dumps([{"role": "user", "content": said}]),
        "answer": json.dumps({"output": []}),
        "expires_at": timezone.now() + timedelta(days=1),
    }
    begin_responses([NewResponse(**new | fields)])
    return StoredResponse.objects.get(pk=id_)


def close(row: StoredResponse, *said: str, status: ResponseStatus = ResponseStatus.COMPLETED) -> None:
    answer = json.dumps(
        {"status": status, "output": [{"role": "assistant", "content": text} for text in said]}
    )
    close_responses(
        [ResponseOutcome(id=row.pk, status=status, model="m", answer=answer, size_bytes=len(answer))]
    )


def answered(owner: User, said: str, answer: str, previous: StoredResponse | None = None) -> StoredResponse:
    row = begin(owner, said, previous)
    close(row, answer)
    return row


def earlier(owner: User, previous: StoredResponse, limit_bytes: int = 0) -> Any:
    key = EarlierKey(owner_id=owner.pk, previous_id=previous.pk, limit_bytes=limit_bytes)
    return find_earlier([key])[0]


def texts_of(found: EarlierItems) -> list[str]:
    return [json.loads(bytes(item))["content"] for item in found.items]


def key_of(row: StoredResponse, owner: User | None = None) -> ResponseKey:
    return ResponseKey(owner.pk if owner else row.owner_id, row.pk)


def test_what_went_before_is_of_its_own_branch(mina: User) -> None:
    first = answered(mina, "1", "one")
    second = answered(mina, "2", "two", first)
    answered(mina, "another 2", "another two", first)
    third = answered(mina, "3", "three", second)

    found = earlier(mina, third)

    assert texts_of(found) == ["1", "one", "2", "two", "3", "three"]
    assert found.thread_id == first.pk


def test_response_that_is_not_over_is_not_gone_on_with(mina: User) -> None:
    running = begin(mina, "1")

    assert isinstance(earlier(mina, running), ConversationBusy)


def test_what_went_before_is_bounded(mina: User) -> None:
    first = answered(mina, "1", "one")
    second = answered(mina, "2", "two " * 100, first)

    assert isinstance(earlier(mina, second, limit_bytes=300), ConversationFull)
    assert texts_of(earlier(mina, second, limit_bytes=3000))[0] == "1"


def test_response_is_gone_for_others_when_it_has_expired_and_when_it_is_deleted(mina: User) -> None:
    other = User.objects.create(username="juno")
    kept = answered(mina, "1", "one")
    expired = begin(mina, "1", expires_at=timezone.now() - timedelta(seconds=1))
    deleted = answered(mina, "1", "one")
    delete_responses([key_of(deleted)])

    for key in (key_of(kept, other), key_of(expired), key_of(deleted)):
        for handler in (find_responses, cancel_responses, delete_responses):
            assert isinstance(handler([key])[0], NotFound)
    assert isinstance(earlier(other, kept), NotFound)
    assert isinstance(earlier(mina, deleted), NotFound)


def test_cancelled_response_keeps_what_it_had_and_does_not_become_complete(mina: User) -> None:
    cut, late = begin(mina, "1"), begin(mina, "1")
    cancel_responses([key_of(cut), key_of(late)])

    close(cut, "on", status=ResponseStatus.CANCELLED)
    close(late, "one")

    cut.refresh_from_db()
    late.refresh_from_db()
    assert (cut.status, late.status) == ("cancelled", "cancelled")
    assert json.loads(cut.answer)["output"][0]["content"] == "on"
    assert json.loads(late.answer)["output"] == []


def test_closed_response_stays_as_it_is(mina: User) -> None:
    row = answered(mina, "1", "one")

    close(row, "other", status=ResponseStatus.FAILED)
    cancel_responses([key_of(row)])

    row.refresh_from_db()
    assert (row.status, json.loads(row.answer)["output"][0]["content"]) == ("completed", "one")


def test_response_is_closed_with_the_names_of_its_items_or_not_at_all(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = begin(mina, "1")

    def fail(_items: object) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as broken, pytest.raises(OperationalError):
        broken.setattr(ResponseItem.objects, "bulk_create", fail)
        close(row, "one")

    row.refresh_from_db()
    assert row.status == "in_progress"
    close(row, "one")
    row.refresh_from_db()
    assert row.status == "completed"


def test_response_that_nobody_heard_of_leaves_nothing(mina: User) -> None:
    row = begin(mina, "1")

    close_responses(
        [ResponseOutcome(id=row.pk, status=ResponseStatus.FAILED, model="m", answer="", size_bytes=0)]
    )

    assert not StoredResponse.objects.exists()


def test_those_are_ended_that_are_in_progress_in_no_row(mina: User) -> None:
    running, cancelled, gone = begin(mina, "1"), begin(mina, "1"), uuid.uuid4()
    cancel_responses([key_of(cancelled)])

    found = find_ended([frozenset({running.pk, cancelled.pk, gone}), frozenset({running.pk})])

    assert found == [{cancelled.pk, gone}, set()]


def test_responses_count_as_stored_by_their_account(mina: User) -> None:
    row = answered(mina, "1", "one")

    row.refresh_from_db()
    assert sum_stored_bytes([mina.pk]) == [row.size_bytes + ROW_BYTES]

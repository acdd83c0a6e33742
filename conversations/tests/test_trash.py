"""Deleting conversations, for a while and for good, and changing many at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations.bulk_changes import BulkAction, change_many
from conversations.changes import change_conversation
from conversations.folders import delete_folder
from conversations.models import Conversation, Feedback, Folder, Message, SharedLink
from conversations.replies import find_cancel_requests
from conversations.tests.rest import add, error_of, page, titles
from conversations.tests.test_concurrent_turns import race
from conversations.tests.turn_items import begin, close, turn_of
from conversations.turns import begin_turns
from gateway.errors import NotFound

pytestmark = pytest.mark.django_db


def url(conversation: Conversation, rest: str = "") -> str:
    return f"/api/conversations/{conversation.id}{rest}"


def bulk(api: Client, **body: object) -> Any:
    return api.post("/api/conversations/bulk", body, content_type="application/json")


def days_ago(days: float) -> dict[str, Any]:
    return {"deleted_at": timezone.now() - timedelta(days=days)}


def test_deleted_conversation_is_gone_and_comes_back_as_it_was(api: Client, mina: User) -> None:
    row = add(mina, title="Plans", is_pinned=True, folder=Folder.objects.create(owner=mina, name="Work"))
    before = api.get(url(row)).json()

    assert api.delete(url(row)).status_code == 204
    assert error_of(api.get(url(row))) == (404, "not_found", None)
    assert error_of(api.delete(url(row))) == (404, "not_found", None)
    assert error_of(api.patch(url(row), {"title": "x"}, content_type="application/json"))[0] == 404
    assert titles(page(api, deleted="true")) == ["Plans"]

    restored = api.post(url(row, "/restore"))

    assert (restored.status_code, restored.json()["version"]) == (200, 3)
    assert api.get(url(row)).json() == before | {"version": 3}
    assert api.post(url(row, "/restore")).json()["version"] == 3


def test_conversation_deleted_too_long_ago_does_not_come_back(api: Client, mina: User) -> None:
    lasting, gone = add(mina, **days_ago(29.9)), add(mina, **days_ago(30.1))

    assert api.post(url(lasting, "/restore")).status_code == 200
    assert error_of(api.post(url(gone, "/restore"))) == (404, "not_found", None)


def test_answer_that_runs_in_a_deleted_conversation_is_told_to_stop(
    api: Client, mina: User, start_answer: Callable[..., Message]
) -> None:
    deleted, other = start_answer(), start_answer()

    api.delete(url(deleted.conversation))

    assert find_cancel_requests([frozenset({deleted.id, other.id})]) == [{deleted.id}]
    with pytest.raises(NotFound):
        begin(turn_of(mina, "late", conversation_id=deleted.conversation_id))


def test_conversation_is_removed_for_good_from_the_trash_alone(api: Client, mina: User) -> None:
    turn = begin(turn_of(mina))
    close(turn)
    kept = begin(turn_of(mina, "kept"))
    row = Conversation.objects.get(pk=turn.conversation_id)
    Feedback.objects.create(message_id=turn.message_id, owner=mina, rating=1)
    SharedLink.objects.create(conversation=row, owner=mina, head_id=turn.message_id)

    assert error_of(api.delete(url(row, "?permanently=true"))) == (404, "not_found", None)
    api.delete(url(row))
    assert api.delete(url(row, "?permanently=true")).status_code == 204

    assert error_of(api.post(url(row, "/restore"))) == (404, "not_found", None)
    assert set(Message.objects.values_list("conversation_id", flat=True)) == {kept.conversation_id}
    assert not Feedback.objects.exists()
    assert not SharedLink.objects.exists()
    connection.check_constraints()


def test_long_conversation_is_removed_by_as_many_queries_as_a_short_one(api: Client, mina: User) -> None:
    counts = []
    for size in (2, 250):
        row = add(mina, deleted_at=timezone.now())
        Message.objects.bulk_create(Message(conversation=row, owner=mina, role="user") for _ in range(size))
        with CaptureQueriesContext(connection) as queries:
            assert api.delete(url(row, "?permanently=true")).status_code == 204
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("archive", {}, {"is_archived": True}),
        ("unarchive", {"is_archived": True}, {"is_archived": False}),
        ("delete", {}, {"deleted_at__isnull": False}),
        ("restore", days_ago(1), {"deleted_at": None}),
        ("move", {}, {"folder__name": "Work"}),
    ],
)
def test_one_change_is_made_to_many_and_what_is_not_ones_own_is_named_as_missing(
    api: Client, mina: User, juno: User, action: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    wanted = [add(mina, **before) for _ in range(3)]
    untouched, foreign, missing = add(mina, **before), add(juno, **before), uuid.uuid4()
    folder = Folder.objects.create(owner=mina, name="Work")
    body: dict[str, Any] = {"folder_id": str(folder.id)} if action == "move" else {}
    ids = [str(id_) for id_ in (*(row.id for row in wanted), foreign.id, missing, wanted[0].id, missing)]

    response = bulk(api, action=action, ids=ids, **body)

    assert response.status_code == 200
    assert response.json() == {"changed": 3, "not_found": [str(foreign.id), str(missing)]}
    changed = Conversation.objects.filter(**after, version=2).values_list("pk", flat=True)
    assert set(changed) == {row.id for row in wanted}
    assert Conversation.objects.filter(pk__in=[untouched.id, foreign.id], **before, version=1).count() == 2


def test_all_conversations_are_changed_without_naming_them(
    api: Client, mina: User, juno: User, start_answer: Callable[..., Message]
) -> None:
    answer = start_answer()
    add(mina, is_archived=True)
    foreign, expired = add(juno), add(mina, **days_ago(31))

    assert bulk(api, action="archive", all=True).json() == {"changed": 1, "not_found": []}
    assert bulk(api, action="delete", all=True).json() == {"changed": 2, "not_found": []}
    assert page(api)["data"] == []
    assert find_cancel_requests([frozenset({answer.id})]) == [{answer.id}]
    assert bulk(api, action="restore", all=True).json() == {"changed": 2, "not_found": []}
    assert Conversation.objects.get(pk=foreign.pk).version == 1
    assert Conversation.objects.get(pk=expired.pk).deleted_at is not None


def test_many_are_moved_out_of_their_folder(api: Client, mina: User) -> None:
    folder = Folder.objects.create(owner=mina, name="Work")
    rows = [add(mina, folder=folder) for _ in range(2)]

    answer = bulk(api, action="move", folder_id=None, ids=[str(row.id) for row in rows])

    assert answer.json()["changed"] == 2
    assert not folder.conversations.exists()


def test_five_hundred_are_changed_by_as_many_queries_as_one(api: Client, mina: User) -> None:
    rows = Conversation.objects.bulk_create(Conversation(owner=mina) for _ in range(500))
    counts = []
    for some in (rows[:1], rows):
        with CaptureQueriesContext(connection) as queries:
            answer = bulk(api, action="delete", ids=[str(row.id) for row in some])
        counts.append(len(queries))

    assert answer.json()["changed"] == 499
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_racing_turns_and_changes_of_many_do_not_deadlock() -> None:
    mina = User.objects.create(username="mina")
    done = [begin(turn_of(mina)) for _ in range(6)]
    for turn in done:
        close(turn)
    ids = [turn.conversation_id for turn in done]
    items = [turn_of(mina, conversation_id=id_) for id_ in ids]

    begun, *changed = race(
        lambda: begin_turns(items[::-1]),
        *[
            partial(change_many, owner_id=mina.id, action=BulkAction.ARCHIVE, ids=some)
            for some in (ids, None)
        ],
    )

    assert {type(result).__name__ for result in begun} == {"Turn"}
    assert {result.changed for result in changed} <= {0, 6}
    assert Conversation.objects.filter(is_archived=True).count() == 6


@pytest.mark.django_db(transaction=True)
def test_conversation_is_never_moved_into_a_folder_that_is_deleted_meanwhile() -> None:
    mina = User.objects.create(username="mina")

    for _ in range(5):
        folder, row = Folder.objects.create(owner=mina, name="Work"), add(mina)
        move = partial(
            change_conversation,
            owner_id=mina.id,
            conversation_id=row.id,
            changes={"folder_id": folder.id},
        )
        moved, deleted = race(move, partial(delete_folder, owner_id=mina.id, folder_id=folder.id))

        assert isinstance(moved, Conversation | NotFound)
        assert deleted is None
        row.refresh_from_db()
        assert row.folder_id is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "purge", "all": True}, "action"),
        ({"action": "archive"}, "ids"),
        ({"action": "archive", "ids": []}, "ids"),
        ({"action": "archive", "ids": ["1"]}, "ids.0"),
        ({"action": "archive", "ids": [str(uuid.UUID(int=1))] * 501}, "ids"),
        ({"action": "archive", "ids": [str(uuid.UUID(int=1))], "all": True}, "ids"),
        ({"action": "archive", "all": True, "folder_id": None}, "folder_id"),
        ({"action": "move", "all": True}, "folder_id"),
        ({"action": "archive", "all": True, "owner": "x"}, "owner"),
    ],
    ids=str,
)
def test_malformed_change_of_many_is_refused(
    api: Client, mina: User, body: dict[str, Any], field: str
) -> None:
    row = add(mina)

    assert error_of(bulk(api, **body)) == (400, "invalid_request", field)
    assert Conversation.objects.get(pk=row.pk).version == 1


def test_many_are_not_moved_to_somebody_elses_folder(api: Client, mina: User, juno: User) -> None:
    add(mina)
    foreign = Folder.objects.create(owner=juno, name="Work")

    answers = [bulk(api, action="move", all=True, folder_id=str(id_)) for id_ in (foreign.id, uuid.uuid4())]

    assert [error_of(answer) for answer in answers] == [(404, "not_found", "folder_id")] * 2
    assert not foreign.conversations.exists()

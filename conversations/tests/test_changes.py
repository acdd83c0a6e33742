"""What owners change about a conversation, also while turns run in it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from accounts.models import User
from conversations import changes as changes_module
from conversations.changes import change_conversation
from conversations.models import Conversation, Folder, Message
from conversations.selectors import get_conversation
from conversations.tests.rest import NOON, add, error_of
from conversations.tests.test_concurrent_turns import Meanwhile, race
from conversations.tests.turn_items import begin, close, stored, turn_of
from gateway.conf import get_config
from gateway.errors import VersionConflict

pytestmark = pytest.mark.django_db


def patch(api: Client, conversation: Conversation | uuid.UUID, **body: object) -> Any:
    id_ = conversation.id if isinstance(conversation, Conversation) else conversation
    return api.patch(f"/api/conversations/{id_}", body, content_type="application/json")


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ({"title": " Trip "}, {"title": "Trip", "title_source": "user"}),
        ({"system_prompt": " keep blanks "}, {"system_prompt": " keep blanks "}),
        ({"model": "tiny"}, {"model": "tiny"}),
        ({"archived": True}, {"is_archived": True}),
        ({"pinned": True}, {"is_pinned": True}),
    ],
    ids=lambda value: "-".join(value),
)
def test_change_is_stored_and_keeps_the_place_in_the_list(
    api: Client, mina: User, body: dict[str, object], columns: dict[str, object]
) -> None:
    row = add(mina, title="Old")

    response = patch(api, row, **body)

    assert response.status_code == 200
    shown = response.json()
    assert {name: shown[name] for name in body} == {
        name: value.strip() if name == "title" and isinstance(value, str) else value
        for name, value in body.items()
    }
    assert (shown["version"], shown["updated_at"]) == (2, "2026-11-22T12:00:00Z")
    assert Conversation.objects.filter(pk=row.pk, **columns, version=2, updated_at=NOON).exists()


def test_conversation_is_moved_into_a_folder_and_out_of_it(api: Client, mina: User) -> None:
    folder, row = Folder.objects.create(owner=mina, name="Work"), add(mina)

    assert patch(api, row, folder_id=str(folder.id)).json()["folder_id"] == str(folder.id)
    assert patch(api, row, folder_id=None).json()["folder_id"] is None


def test_conversation_can_be_started_in_a_folder(api: Client, mina: User) -> None:
    folder = Folder.objects.create(owner=mina, name="Work")

    def start(folder_id: uuid.UUID) -> Any:
        body = {"folder_id": str(folder_id)}
        return api.post("/api/conversations", body, content_type="application/json")

    assert start(folder.id).json()["folder_id"] == str(folder.id)
    assert error_of(start(uuid.uuid4())) == (404, "not_found", "folder_id")


def test_folder_of_somebody_else_is_no_place_to_move_to(api: Client, mina: User, juno: User) -> None:
    row, foreign = add(mina), Folder.objects.create(owner=juno, name="Work")

    answers = [patch(api, row, folder_id=str(id_)) for id_ in (foreign.id, uuid.uuid4())]

    assert [error_of(answer) for answer in answers] == [(404, "not_found", "folder_id")] * 2
    assert answers[0].content == answers[1].content


def test_empty_title_gives_the_naming_back_to_the_gateway(api: Client, mina: User) -> None:
    turn = begin(turn_of(mina, "How do I  bake\nbread?"))
    empty = add(mina, title="Named", title_source="user")
    patch(api, turn.conversation_id, title="Bread")

    given_back = [patch(api, id_, title=" ").json() for id_ in (turn.conversation_id, empty.id)]

    assert [(row["title"], row["title_source"]) for row in given_back] == [
        ("How do I bake bread?", "first"),
        ("", "first"),
    ]


def test_change_of_another_version_is_refused_and_told_the_current_one(api: Client, mina: User) -> None:
    row = add(mina, title="Old")
    assert patch(api, row, title="New", version=1).status_code == 200

    late = patch(api, row, title="Late", version=1)

    assert error_of(late) == (409, "version_conflict", None)
    assert late.json()["version"] == 2
    assert late.headers["x-should-retry"] == "false"
    row.refresh_from_db()
    assert (row.title, row.version) == ("New", 2)


def test_change_of_nothing_only_compares_the_version(api: Client, mina: User) -> None:
    row = add(mina)

    assert patch(api, row).json()["version"] == 1
    assert patch(api, row, version=1).json()["version"] == 1
    assert error_of(patch(api, row, version=7)) == (409, "version_conflict", None)


def test_system_prompt_counts_towards_the_account(
    api: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = add(mina, system_prompt="x" * 3000)
    config = replace(get_config(), max_account_bytes=4500)
    monkeypatch.setattr(changes_module, "get_config", lambda: config)

    assert patch(api, row, system_prompt="y" * 3400).status_code == 200
    assert error_of(patch(api, row, system_prompt="z" * 3500)) == (409, "storage_full", None)
    assert patch(api, row, system_prompt="").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 201),
        ("title", None),
        ("system_prompt", "x" * 32_001),
        ("folder_id", "1"),
        ("version", 0),
        ("version", 2**31),
        ("archived", "perhaps"),
        ("title_source", "model"),
        ("owner", str(uuid.UUID(int=1))),
        ("updated_at", "2026-11-22T12:00:00Z"),
        ("deleted_at", None),
    ],
)
def test_malformed_and_unknown_changes_are_refused(
    api: Client, mina: User, field: str, value: object
) -> None:
    row = add(mina)

    assert error_of(patch(api, row, **{field: value})) == (400, "invalid_request", field)
    row.refresh_from_db()
    assert row.version == 1


@pytest.mark.django_db(transaction=True)
def test_of_racing_changes_of_one_version_one_is_made() -> None:
    mina = User.objects.create(username="mina")
    row = add(mina)

    def rename(title: str) -> Conversation:
        return change_conversation(
            owner_id=mina.id, conversation_id=row.id, changes={"title": title}, version=1
        )

    results = race(*[lambda n=n: rename(str(n)) for n in range(4)])

    assert sorted(type(result).__name__ for result in results) == ["Conversation"] + ["VersionConflict"] * 3
    made = next(result for result in results if isinstance(result, Conversation))
    row.refresh_from_db()
    assert (row.title, row.version) == (made.title, 2)


@pytest.mark.services
def test_turn_that_runs_into_a_change_keeps_it(mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite a turn holds the write lock from the start."""
    done = begin(turn_of(mina))
    close(done)
    named = {"title": "Named meanwhile", "is_pinned": True, "system_prompt": "Be brief."}
    Meanwhile(
        monkeypatch,
        lambda: change_conversation(owner_id=mina.id, conversation_id=done.conversation_id, changes=named),
    )

    turn = begin(turn_of(mina, "next", conversation_id=done.conversation_id))

    row = Conversation.objects.get(pk=done.conversation_id)
    assert (row.title, row.is_pinned, row.head_id, row.version) == (
        *("Named meanwhile", True, turn.message_id),
        3,
    )
    assert turn.prompt[0] == {"role": "system", "content": "Be brief."}
    assert [content for _role, _status, content in stored(done)] == ["Hello", "Hi!", "next", ""]


@pytest.mark.django_db(transaction=True)
def test_racing_turns_and_changes_all_happen() -> None:
    mina = User.objects.create(username="mina")
    turn = begin(turn_of(mina))
    close(turn)

    for number in range(5):
        go_on = partial(begin, turn_of(mina, f"round {number}", conversation_id=turn.conversation_id))
        rename = partial(
            change_conversation,
            owner_id=mina.id,
            conversation_id=turn.conversation_id,
            changes={"title": f"title {number}"},
        )
        begun, changed = race(go_on, rename)
        close(begun)
        row = Conversation.objects.get(pk=turn.conversation_id)
        assert isinstance(changed, Conversation)
        assert (row.title, row.head_id, row.version) == (
            *(f"title {number}", begun.message_id),
            3 + 2 * number,
        )

    assert len(stored(turn)) == 12


def test_change_while_an_answer_runs_leaves_it_running(api: Client, mina: User) -> None:
    turn = begin(turn_of(mina))

    assert patch(api, turn.conversation_id, title="Named").status_code == 200

    close(turn)
    row = Conversation.objects.get(pk=turn.conversation_id)
    assert (row.title, row.head_id) == ("Named", turn.message_id)
    assert Message.objects.get(pk=turn.message_id).status == "complete"


def test_change_that_runs_into_a_turn_is_refused_by_its_version(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = add(mina)
    real = get_conversation

    def read_and_go_on(**wanted: Any) -> Conversation:
        found = real(**wanted)
        Conversation.objects.filter(pk=row.pk).update(version=F("version") + 1)
        return found

    monkeypatch.setattr(changes_module, "get_conversation", read_and_go_on)

    with pytest.raises(VersionConflict):
        change_conversation(owner_id=mina.id, conversation_id=row.id, changes={"title": "x"}, version=1)

    row.refresh_from_db()
    assert row.title == ""

"""Duplicates of conversations."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations import copies
from conversations.models import Conversation, Feedback, Folder, Message
from conversations.stored_bytes import sum_stored_bytes
from conversations.tests.rest import add, error_of
from gateway.conf import get_config

pytestmark = pytest.mark.django_db

CHANGED = {"id", "conversation_id", "parent_id", *copies.COPIED_AS}


def duplicate(api: Client, conversation: Conversation, **body: object) -> Any:
    url = f"/api/conversations/{conversation.id}/duplicate"
    return api.post(url, body, content_type="application/json")


def messages_of(api: Client, conversation_id: object) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = api.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return messages


def say(conversation: Conversation, parent: Message | None, content: str, **columns: Any) -> Message:
    columns = {"role": "user"} | columns
    return Message.objects.create(
        conversation=conversation, owner=conversation.owner, parent=parent, content=content, **columns
    )


@pytest.fixture
def talk(mina: User) -> Conversation:
    """Two answers to one question, of which the second one is shown and went on."""
    folder = Folder.objects.create(owner=mina, name="Work")
    row = add(mina, title="Bread", title_source="user", system_prompt="Bake.", model="tiny", folder=folder)
    question = say(
        row, None, "How?", client_message_id="c-1", request_digest="n1", parts=[{"type": "text", "length": 4}]
    )
    say(row, question, "discarded", role="assistant")
    answer = say(
        *(row, question, "빵 😀"),
        role="assistant",
        reasoning="hm",
        tool_calls=[{"id": "call'1"}],
        finish_reason="stop",
        usage_source="engine",
        prompt_tokens=3,
        completion_tokens=4,
        ttft_ms=5,
        omitted_messages=2,
        request_id="r-1",
    )
    row.head = say(row, answer, "next")
    row.is_pinned = True
    row.save()
    Feedback.objects.create(message=answer, owner=mina, rating=1)
    return row


def test_copy_has_the_active_branch_in_rows_of_its_own(api: Client, talk: Conversation) -> None:
    response = duplicate(api, talk)

    shown = response.json()
    assert response.status_code == 201
    assert [shown[name] for name in ("title", "title_source", "system_prompt", "model", "folder_id")] == [
        *("Bread", "user", "Bake.", "tiny"),
        str(talk.folder_id),
    ]
    assert (shown["pinned"], shown["version"]) == (False, 1)
    assert api.get("/api/conversations").json()["first_id"] == shown["id"]
    old, new = messages_of(api, talk.id), messages_of(api, shown["id"])
    assert [message["content"] for message in new] == ["How?", "빵 😀", "next"]
    assert {message["id"] for message in old}.isdisjoint(message["id"] for message in new)
    assert [message["parent_id"] for message in new] == [None, new[0]["id"], new[1]["id"]]
    assert Message.objects.filter(conversation=talk).count() == 4
    assert Feedback.objects.count() == 1
    connection.check_constraints()


def test_copied_messages_have_every_column_of_the_old_ones_but_what_is_theirs_alone(
    api: Client, talk: Conversation
) -> None:
    copied = duplicate(api, talk).json()["id"]

    def columns(message_id: object) -> dict[str, Any]:
        row = Message.objects.get(pk=str(message_id))
        return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}

    for old, new in zip(messages_of(api, talk.id), messages_of(api, copied), strict=True):
        before, after = columns(old["id"]), columns(new["id"])
        assert {n: v for n, v in after.items() if n not in CHANGED} == {
            name: value for name, value in before.items() if name not in CHANGED
        }
        assert (after["client_message_id"], after["request_digest"]) == (None, "")
        assert after["status"] == "complete"


def test_copy_can_end_in_any_message_of_the_conversation(api: Client, talk: Conversation) -> None:
    elsewhere = say(add(talk.owner), None, "elsewhere")
    discarded = Message.objects.get(content="discarded")

    copied = duplicate(api, talk, message_id=str(discarded.id)).json()["id"]

    assert [m["content"] for m in messages_of(api, copied)] == ["How?", "discarded"]
    for id_ in (elsewhere.id, uuid.uuid4()):
        assert error_of(duplicate(api, talk, message_id=str(id_))) == (404, "not_found", "message_id")


def test_empty_conversation_can_be_copied_without_a_body(api: Client, mina: User) -> None:
    response = api.generic("POST", f"/api/conversations/{add(mina, title='Empty').id}/duplicate")

    assert (response.status_code, response.json()["title"]) == (201, "Empty")


def test_running_answer_is_copied_as_a_stopped_one(api: Client, talk: Conversation) -> None:
    running = say(
        *(talk, talk.head, "so far"), role="assistant", status="streaming", lease_expires_at=timezone.now()
    )
    Conversation.objects.filter(pk=talk.pk).update(head=running)

    copied = messages_of(api, duplicate(api, talk).json()["id"])[-1]

    row = Message.objects.get(pk=copied["id"])
    assert (row.content, row.status, row.lease_expires_at) == ("so far", "cancelled", None)
    running.refresh_from_db()
    assert running.status == "streaming"


def test_copy_counts_towards_the_account(
    api: Client, mina: User, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stored,) = sum_stored_bytes([mina.id])
    calls = len("""[{"id": "call'1"}]""")
    copied = 4 * 1024 + len("Bake.How?hmnext") + len("빵 😀".encode()) + calls

    for limit, status in ((stored + copied - 1, 409), (stored + copied, 201)):
        config = replace(get_config(), max_account_bytes=limit)
        monkeypatch.setattr(copies, "get_config", lambda config=config: config)
        assert duplicate(api, talk).status_code == status

    assert Conversation.objects.count() == 2


def test_branch_that_is_too_long_to_be_loaded_is_not_copied(
    api: Client, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "MOST_MESSAGES", 2)

    assert error_of(duplicate(api, talk)) == (409, "conversation_full", None)


def test_long_conversation_is_copied_by_as_many_queries_as_a_short_one(
    api: Client, talk: Conversation
) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            copied = duplicate(api, talk)
        counts.append(len(queries))
        for n in range(150):
            talk.head = say(talk, talk.head, str(n))
        talk.save()

    assert counts[0] == counts[1]
    assert Message.objects.filter(conversation=copied.json()["id"]).count() == 153


@pytest.mark.parametrize("body", [{"message_id": "1"}, {"title": "x"}], ids=str)
def test_malformed_copy_is_refused(api: Client, talk: Conversation, body: dict[str, str]) -> None:
    assert error_of(duplicate(api, talk, **body)) == (400, "invalid_request", next(iter(body)))

"""The conversation calls of the REST API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message
from conversations.tests.rest import add, client_of, error_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("what", ["list", "detail"])
def test_number_of_queries_does_not_grow_with_the_rows(api: Client, mina: User, what: str) -> None:
    counts = []
    conversation = add(mina)

    for size in (2, 20):
        for n in range(size):
            add(mina, minutes=n)
            parent = Message.objects.filter(conversation=conversation).order_by("id").last()
            conversation.head = Message.objects.create(
                conversation=conversation, owner=mina, role="user", parent=parent
            )
        conversation.save()
        with CaptureQueriesContext(connection) as queries:
            api.get("/api/conversations" + (f"/{conversation.id}" if what == "detail" else ""))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 5


def test_conversation_can_be_started_empty(api: Client, mina: User) -> None:
    response = api.post(
        "/api/conversations",
        {"title": "Plans", "system_prompt": " keep blanks ", "model": "tiny"},
        content_type="application/json",
    )

    content = response.json()
    row = Conversation.objects.get(pk=content["id"])
    assert response.status_code == 201
    assert (row.owner, row.title, row.system_prompt, row.model) == (mina, "Plans", " keep blanks ", "tiny")
    assert content["messages"] == []


def test_conversation_needs_nothing_said_beforehand(api: Client) -> None:
    response = api.post("/api/conversations", {}, content_type="application/json")

    assert (response.status_code, response.json()["title"]) == (201, "")


def test_conversation_begins_with_the_system_prompt_of_its_account(mina: User) -> None:
    mina.default_system_prompt = "반말로 답해."
    mina.save()

    made = [
        client_of(mina).post("/api/conversations", body, content_type="application/json").json()
        for body in ({}, {"system_prompt": ""}, {"title": "Plans"})
    ]

    assert [row["system_prompt"] for row in made] == ["반말로 답해.", "", "반말로 답해."]
    assert [row["title_source"] for row in made] == ["first", "first", "user"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("owner", "00000000-0000-0000-0000-000000000000"),
        ("owner_id", "00000000-0000-0000-0000-000000000000"),
        ("id", "00000000-0000-0000-0000-000000000000"),
        ("head", None),
        ("version", 7),
        ("messages", []),
        ("title", "x" * 201),
        ("system_prompt", "x" * 32_001),
        ("model", {"name": "tiny"}),
    ],
)
def test_unknown_and_malformed_fields_are_refused_and_nothing_is_made(
    api: Client, field: str, value: object
) -> None:
    response = api.post("/api/conversations", {field: value}, content_type="application/json")

    assert error_of(response) == (400, "invalid_request", field)
    assert not Conversation.objects.exists()


def test_conversation_is_shown_with_its_active_branch(api: Client, mina: User) -> None:
    conversation = add(mina)
    question = Message.objects.create(conversation=conversation, owner=mina, role="user", content="?")
    discarded, answer = (
        Message.objects.create(
            conversation=conversation,
            owner=mina,
            parent=question,
            role="assistant",
            content=text,
            prompt_tokens=5,
            completion_tokens=7,
            usage_source="engine",
        )
        for text in ("discarded", "kept")
    )
    Conversation.objects.filter(pk=conversation.pk).update(head=answer)

    content = api.get(f"/api/conversations/{conversation.id}").json()

    assert [(m["role"], m["content"]) for m in content["messages"]] == [("user", "?"), ("assistant", "kept")]
    assert content["messages"][0]["usage"] is None
    assert content["messages"][1]["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "total_tokens": 12,
    }
    assert content["messages"][1]["parent_id"] == str(question.id)
    assert str(discarded.id) not in {m["id"] for m in content["messages"]}


def test_other_peoples_and_missing_conversations_look_the_same(mina: User) -> None:
    theirs = client_of(User.objects.create(username="juno"))
    ids = [add(mina).id, uuid.uuid4(), add(mina, deleted_at=timezone.now()).id]

    responses = [theirs.get(f"/api/conversations/{id_}") for id_ in ids]

    assert {r.status_code for r in responses} == {404}
    assert len({r.content for r in responses}) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.get("/api/conversations"),
        lambda c: c.post("/api/conversations", {}, content_type="application/json"),
        lambda c: c.get(f"/api/conversations/{uuid.uuid4()}"),
    ],
    ids=["list", "create", "read"],
)
def test_every_call_needs_a_credential(ask: Callable[[Client], Any]) -> None:
    assert error_of(ask(Client())) == (401, "invalid_api_key", None)


def test_cookie_is_a_credential_and_changes_things_with_a_csrf_token_only(mina: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(mina)
    token = "a" * 32
    client.cookies["csrftoken"] = token

    def create(**headers: str) -> Any:
        body: dict[str, Any] = {"title": "From the page"}
        return client.post("/api/conversations", body, content_type="application/json", headers=headers)

    assert client.get("/api/conversations").status_code == 200
    assert error_of(create()) == (403, "permission_denied", None)
    assert create(**{"X-CSRFToken": token}).status_code == 201

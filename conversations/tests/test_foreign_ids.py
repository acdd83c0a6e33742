"""Somebody else's ids answer exactly like missing ones, on every call that takes one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Message
from conversations.tests.rest import add, client_of
from conversations.tests.trees import say

pytestmark = pytest.mark.django_db

MESSAGE = "/api/conversations/{conversation}/messages/{message}"


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)


CALLS = [
    Call("get", "/api/conversations/{conversation}"),
    Call("get", "/api/conversations/{conversation}/messages"),
    Call("get", "/api/conversations/{conversation}/messages?branch=all"),
    Call("patch", MESSAGE, {"content": "!"}),
    Call("delete", MESSAGE),
    Call("post", f"{MESSAGE}/activate"),
    Call("put", f"{MESSAGE}/feedback", {"rating": "up"}),
    Call("delete", f"{MESSAGE}/feedback"),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_foreign_deleted_and_missing_ids_look_the_same(mina: User, juno: User, call: Call) -> None:
    theirs, own, deleted = (
        say(conversation, None, "assistant", "!")
        for conversation in (add(juno), add(mina), add(mina, deleted_at=timezone.now()))
    )
    ids = [_ids_of(theirs), _ids_of(deleted), (uuid.uuid4(), uuid.uuid4())]
    if "{message}" in call.path:
        ids += [
            (own.conversation_id, theirs.pk),
            (own.conversation_id, uuid.uuid4()),
            (theirs.conversation_id, own.pk),
        ]

    responses = [_ask(client_of(mina), call, *each) for each in ids]

    assert {response.status_code for response in responses} == {404}
    assert len({response.content for response in responses}) == 1
    assert Message.objects.count() == 3
    assert _ask(client_of(mina), call, *_ids_of(own)).status_code < 300


def _ids_of(message: Message) -> tuple[uuid.UUID, uuid.UUID]:
    return message.conversation_id, message.pk


def _ask(client: Client, call: Call, conversation: uuid.UUID, message: uuid.UUID) -> Any:
    path = call.path.format(conversation=conversation, message=message)
    return getattr(client, call.method)(path, call.body or None, content_type="application/json")

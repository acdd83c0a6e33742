"""Somebody else's ids answer like missing ones, on each route of conversations; nothing of theirs changes.

`gateway.tests.security.test_other_peoples_objects` finds the routes by itself and asks a running gateway.
Here the ids are in bodies too.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Folder, Message, SavedPrompt, SharedLink
from conversations.tests.rest import add, error_of

pytestmark = pytest.mark.django_db

CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "conversations/{conversation}", None),
    ("PATCH", "conversations/{conversation}", {"title": "x"}),
    ("PATCH", "conversations/{conversation}", {"title": "x", "version": 1}),
    ("PATCH", "conversations/{own}", {"folder_id": "{folder}"}),
    ("DELETE", "conversations/{conversation}", None),
    ("DELETE", "conversations/{deleted}?permanently=true", None),
    ("POST", "conversations/{deleted}/restore", None),
    ("POST", "conversations/{conversation}/duplicate", {}),
    ("POST", "conversations/{own}/duplicate", {"message_id": "{message}"}),
    ("POST", "conversations/bulk", {"action": "move", "all": True, "folder_id": "{folder}"}),
    ("POST", "conversations", {"folder_id": "{folder}"}),
    ("GET", "conversations/{conversation}/shares", None),
    ("POST", "conversations/{conversation}/shares", {}),
    ("DELETE", "shares/{share}", None),
    ("PATCH", "folders/{folder}", {"name": "x"}),
    ("DELETE", "folders/{folder}", None),
    ("PATCH", "prompts/{prompt}", {"content": "x"}),
    ("DELETE", "prompts/{prompt}", None),
]


@pytest.fixture
def theirs(juno: User) -> dict[str, uuid.UUID]:
    """One of everything, juno's."""
    folder = Folder.objects.create(owner=juno, name="Work")
    row, deleted = add(juno, folder=folder), add(juno, deleted_at=timezone.now())
    row.head = Message.objects.create(conversation=row, owner=juno, role="user", content="private")
    row.save()
    return {
        "conversation": row.id,
        "deleted": deleted.id,
        "message": row.head.id,
        "folder": folder.id,
        "share": SharedLink.objects.create(conversation=row, owner=juno, head=row.head).id,
        "prompt": SavedPrompt.objects.create(owner=juno, title="T", content="C", is_shared=True).id,
    }


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=str)
def test_foreign_id_answers_like_a_missing_one(
    api: Client,
    mina: User,
    theirs: dict[str, uuid.UUID],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    own = add(mina).id
    before = everything_stored()

    def ask(ids: dict[str, uuid.UUID]) -> Any:
        ids = ids | {"own": own}
        filled = {k: v.format(**ids) if isinstance(v, str) else v for k, v in (body or {}).items()}
        content = b"" if body is None else json.dumps(filled).encode()
        return api.generic(method, f"/api/{path.format(**ids)}", content, content_type="application/json")

    foreign, missing = ask(theirs), ask({name: uuid.uuid4() for name in theirs})

    assert error_of(foreign)[0] == 404
    assert foreign.content == missing.content
    assert everything_stored() == before


def everything_stored() -> list[Any]:
    models = (Conversation, Folder, Message, SharedLink, SavedPrompt)
    return [list(model._default_manager.order_by("pk").values()) for model in models]

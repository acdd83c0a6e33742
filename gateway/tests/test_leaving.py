"""Leaving: a copy of everything, and an account that is gone with all that belonged to it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import AuditEvent, DailyUsage, Limit, Role, User
from accounts.tests.rest import PASSWORD, client_of, client_with, code_of
from conversations.files.storing import store_upload
from conversations.models import (
    Conversation,
    Feedback,
    Folder,
    SavedPrompt,
    SharedLink,
    StoredFile,
    StoredResponse,
)
from conversations.portability.importing import import_file
from conversations.tests.rest import add
from conversations.tests.sample_files import image
from conversations.tests.trees import say

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def file_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture
def mina() -> User:
    """Who has something of everything."""
    mina = User.objects.create_user("mina", "mina@example.com", PASSWORD)
    conversation = add(mina, title="Kept", folder=Folder.objects.create(owner=mina, name="Work"))
    stored, _ = store_upload(mina.pk, io.BytesIO(image()), name="a.png")
    store_upload(mina.pk, io.BytesIO(b"never sent"), name="unused.txt")
    question = say(conversation, None, "user", "", parts=[{"type": "image", "file_id": str(stored.pk)}])
    answer = say(conversation, question, "assistant", "A square.")
    Feedback.objects.create(message=answer, owner=mina, rating=1)
    SharedLink.objects.create(conversation=conversation, owner=mina, head=answer)
    SavedPrompt.objects.create(owner=mina, title="Greeting", content="Hello")
    StoredResponse.objects.create(
        owner=mina, thread_id=mina.pk, input="[]", answer='{"output": []}', expires_at=timezone.now()
    )
    add(mina, title="In the trash", deleted_at=conversation.updated_at)
    issue_api_key(user=mina, name="laptop", scopes=["chat"], origin=COMMAND)
    DailyUsage.objects.create(user=mina, day=conversation.updated_at.date(), requests=3)
    Limit.objects.create(kind="streams", subject="user", user=mina, value=2)
    return mina


def leave(client: Client, password: str = PASSWORD) -> Any:
    return client.delete("/api/auth/me", {"password": password}, content_type="application/json")


def copy(client: Client) -> dict[str, bytes]:
    async def collect(pieces: AsyncIterator[bytes]) -> bytes:
        return b"".join([piece async for piece in pieces])

    response: Any = client.get("/api/auth/me/copy")
    assert response.status_code == 200, response.content
    with zipfile.ZipFile(io.BytesIO(async_to_sync(collect)(response.streaming_content))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_copy_holds_everything_but_secrets(mina: User) -> None:
    client = client_of(mina)
    leave(client, "not the password")

    entries = copy(client)

    listed = {name: json.loads(content) for name, content in entries.items() if name.endswith(".json")}
    assert (listed["account.json"]["username"], listed["account.json"]["id"]) == ("mina", str(mina.pk))
    assert [key["name"] for key in listed["api_keys.json"]] == ["laptop"]
    assert listed["usage.json"][0]["requests"] == 3
    assert listed["limits.json"][0]["value"] == 2
    assert [prompt["title"] for prompt in listed["prompts.json"]] == ["Greeting"]
    assert [response["answer"] for response in listed["responses.json"]] == ['{"output": []}']
    assert [folder["name"] for folder in listed["folders.json"]] == ["Work"]
    assert (len(listed["shared_links.json"]), len(listed["sessions.json"])) == (1, 1)
    assert listed["audit.json"][0]["action"] == "login_failed"
    conversations = listed["conversations.json"]["conversations"]
    assert [c["title"] for c in conversations] == ["Kept", "In the trash"]
    contents = [content for name, content in entries.items() if name.startswith("files/")]
    assert contents == [image(), b"never sent"]
    everything = b"".join(entries.values())
    key = mina.api_keys.get()
    assert not any(secret.encode() in everything for secret in (key.digest, mina.password))


def test_copy_can_be_imported_by_another_account(mina: User) -> None:
    juno = User.objects.create(username="juno")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in copy(client_of(mina)).items():
            archive.writestr(name, content)

    report = import_file(juno.pk, out)

    assert (report.conversations, report.messages, report.files, report.skipped) == (2, 2, 1, [])
    assert Conversation.objects.deleted_by(juno.pk).get().title == "In the trash"


def rows_of(user_id: Any) -> dict[str, int]:
    """How many rows of each model refer to an account, by the names of models that have any."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if getattr(field, "related_model", None) is User and getattr(field, "concrete", False):
                count = model._default_manager.filter(**{field.name: user_id}).count()
                found[f"{model.__name__}.{field.name}"] = count
    return {name: count for name, count in found.items() if count}


def test_account_leaves_with_all_that_belongs_to_it(
    mina: User, django_capture_on_commit_callbacks: Any
) -> None:
    client, user_id = client_of(mina), mina.pk
    names = [file.storage_name for file in StoredFile.objects.all()]
    assert {"Conversation.owner", "Message.owner", "ApiKey.user", "Session.user"} <= rows_of(user_id).keys()

    with django_capture_on_commit_callbacks(execute=True):
        assert leave(client).status_code == 204

    assert rows_of(user_id) == {}
    assert not User.objects.filter(pk=user_id).exists()
    assert not any(default_storage.exists(name) for name in names)
    assert client.get("/api/auth/me").status_code == 401
    event = AuditEvent.objects.get(action="user_deleted")
    assert (event.actor_id, event.target_label) == (user_id, "mina")


def test_nobody_leaves_without_the_password(mina: User) -> None:
    refused = leave(client_of(mina), "something else entirely")

    assert code_of(refused) == (400, "invalid_request")
    assert refused.json()["error"]["param"] == "password"
    assert Conversation.objects.filter(owner=mina).count() == 2


def test_api_key_neither_copies_nor_removes_its_account(mina: User) -> None:
    client = client_with(issue_api_key(user=mina, name="k", scopes=["chat", "history"], origin=COMMAND).key)

    assert code_of(client.get("/api/auth/me/copy")) == (403, "permission_denied")
    assert code_of(leave(client)) == (403, "permission_denied")


def test_last_administrator_stays(mina: User) -> None:
    User.objects.filter(pk=mina.pk).update(role=Role.ADMIN)
    User.objects.create(username="gone", role=Role.ADMIN, is_active=False)

    refused = leave(client_of(User.objects.get(pk=mina.pk)))

    assert code_of(refused) == (409, "last_administrator")
    assert User.objects.filter(pk=mina.pk).exists()


def test_administrator_leaves_when_there_is_another_one(mina: User) -> None:
    User.objects.filter(pk=mina.pk).update(role=Role.ADMIN)
    User.objects.create(username="juno", role=Role.ADMIN)

    assert leave(client_of(User.objects.get(pk=mina.pk))).status_code == 204


def test_what_others_have_stays(mina: User) -> None:
    juno = User.objects.create(username="juno")
    theirs = add(juno)
    stored, _ = store_upload(juno.pk, io.BytesIO(image()), name="")

    leave(client_of(mina))

    assert list(Conversation.objects.all()) == [theirs]
    assert list(StoredFile.objects.all()) == [stored]


def test_every_app_with_rows_of_accounts_is_asked() -> None:
    assert django_settings.ACCOUNT_DATA == ["conversations.leaving.ConversationData"]

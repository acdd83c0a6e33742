"""Folders of conversations."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from conversations.folders import MOST_FOLDERS
from conversations.models import Conversation, Folder
from conversations.tests.rest import add, client_of, error_of

pytestmark = pytest.mark.django_db


def make(api: Client, name: str) -> Any:
    return api.post("/api/folders", {"name": name}, content_type="application/json")


def rename(api: Client, folder_id: object, name: str) -> Any:
    return api.patch(f"/api/folders/{folder_id}", {"name": name}, content_type="application/json")


def names(api: Client) -> list[str]:
    return [row["name"] for row in api.get("/api/folders").json()["data"]]


def test_folders_are_made_renamed_and_listed_by_name(api: Client, juno: User) -> None:
    Folder.objects.create(owner=juno, name="Foreign")
    made = make(api, " 여행 ")
    make(api, "Bread")

    assert (made.status_code, made.json()["name"]) == (201, "여행")
    assert names(api) == ["Bread", "여행"]
    assert rename(api, made.json()["id"], "Work").json() == made.json() | {"name": "Work"}
    assert names(api) == ["Bread", "Work"]


def test_name_belongs_to_one_folder_of_an_account(api: Client, juno: User) -> None:
    make(api, "Work")
    other = make(api, "Home").json()["id"]

    refused = [make(api, "Work"), rename(api, other, "Work")]

    assert [error_of(answer) for answer in refused] == [(400, "invalid_request", "name")] * 2
    assert rename(api, other, "Home").status_code == 200
    assert make(client_of(juno), "Work").status_code == 201


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, None])
def test_folder_needs_a_name_that_its_column_takes(api: Client, name: Any) -> None:
    assert error_of(make(api, name)) == (400, "invalid_request", "name")


def test_folders_of_an_account_are_bounded(api: Client, mina: User) -> None:
    Folder.objects.bulk_create(Folder(owner=mina, name=str(n)) for n in range(MOST_FOLDERS))

    assert error_of(make(api, "one more")) == (400, "invalid_request", None)
    assert len(names(api)) == MOST_FOLDERS


def test_deleted_folder_leaves_its_conversations(api: Client, mina: User) -> None:
    folder = Folder.objects.create(owner=mina, name="Work")
    rows = [add(mina, folder=folder), add(mina, folder=folder, deleted_at=timezone.now())]

    assert api.delete(f"/api/folders/{folder.id}").status_code == 204

    kept = Conversation.objects.filter(pk__in=[row.pk for row in rows], folder=None, version=2)
    assert kept.count() == 2
    assert names(api) == []


def test_number_of_queries_does_not_grow_with_folders_and_what_is_in_them(api: Client, mina: User) -> None:
    counts = []
    for size in (1, 30):
        folders = [Folder.objects.create(owner=mina, name=f"{size}-{n}") for n in range(size)]
        Conversation.objects.bulk_create(Conversation(owner=mina, folder=folders[0]) for _ in range(size))
        with CaptureQueriesContext(connection) as queries:
            api.get("/api/folders")
            api.delete(f"/api/folders/{folders[0].id}")
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_folder_of_somebody_else_looks_like_a_missing_one(api: Client, juno: User) -> None:
    foreign = Folder.objects.create(owner=juno, name="Work")

    for id_ in (foreign.id, uuid.uuid4()):
        assert error_of(rename(api, id_, "Mine")) == (404, "not_found", "folder_id")
        assert error_of(api.delete(f"/api/folders/{id_}")) == (404, "not_found", "folder_id")

    foreign.refresh_from_db()
    assert foreign.name == "Work"

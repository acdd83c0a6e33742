"""The library of prompts."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import Role, User
from conversations.models import SavedPrompt
from conversations.saved_prompts import MOST_PROMPTS
from conversations.tests.rest import client_of, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> User:
    return User.objects.create(username="root", role=Role.ADMIN)


def save(api: Client, title: str, content: str = "Be brief.", **more: object) -> Any:
    body = {"title": title, "content": content} | more
    return api.post("/api/prompts", body, content_type="application/json")


def change(api: Client, prompt_id: object, **body: object) -> Any:
    return api.patch(f"/api/prompts/{prompt_id}", body, content_type="application/json")


def listed(api: Client, **query: str | int) -> dict[str, Any]:
    response = api.get("/api/prompts", query)
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def titles(content: dict[str, Any]) -> list[str]:
    return [row["title"] for row in content["data"]]


def test_prompts_are_saved_changed_and_deleted(api: Client) -> None:
    made = save(api, "번역", " keep blanks ")

    shown = made.json()
    assert made.status_code == 201
    assert (shown["title"], shown["content"], shown["shared"], shown["own"]) == (
        *("번역", " keep blanks "),
        *(False, True),
    )
    assert change(api, shown["id"], title="Translate").json()["content"] == " keep blanks "
    assert titles(listed(api)) == ["Translate"]
    assert api.delete(f"/api/prompts/{shown['id']}").status_code == 204
    assert listed(api) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_everybody_sees_their_own_prompts_and_the_shared_ones(api: Client, juno: User, root: User) -> None:
    save(client_of(root), "Shared", shared=True)
    save(client_of(root), "Of root alone")
    save(client_of(juno), "Of juno alone")
    save(api, "Mine")

    assert {(row["title"], row["own"]) for row in listed(api)["data"]} == {("Mine", True), ("Shared", False)}
    assert titles(listed(api, q="SHAR")) == ["Shared"]


def test_pages_by_title_neither_repeat_nor_skip(api: Client, root: User) -> None:
    for n in range(7):
        save(client_of(root) if n % 2 else api, f"Prompt {n}", shared=n % 2 == 1)
    seen: list[str] = []
    after: dict[str, str] = {}

    while True:
        content = listed(api, limit=2, **after)
        seen += titles(content)
        if not content["has_more"]:
            break
        after = {"after": content["last_id"]}

    assert seen == [f"Prompt {n}" for n in range(7)]
    assert error_of(api.get("/api/prompts", {"after": str(uuid.uuid4())})) == (
        400,
        "invalid_request",
        "after",
    )


def test_only_administrators_share(api: Client, root: User) -> None:
    prompt = save(api, "Mine").json()
    key = issue_api_key(user=root, name="k", scopes=["history"], origin=COMMAND).key
    with_key = Client(headers={"Authorization": f"Bearer {key}"})

    refused = [
        save(api, "For all", shared=True),
        change(api, prompt["id"], shared=True),
        save(with_key, "For all", shared=True),
    ]

    assert [error_of(answer) for answer in refused] == [(403, "permission_denied", "shared")] * 3
    assert not SavedPrompt.objects.filter(is_shared=True).exists()


def test_administrator_who_is_none_any_more_takes_a_shared_prompt_back_and_no_more(root: User) -> None:
    prompt = save(client_of(root), "Shared", shared=True).json()
    User.objects.filter(pk=root.pk).update(role=Role.USER)
    client = client_of(User.objects.get(pk=root.pk))

    assert error_of(change(client, prompt["id"], content="New"))[0] == 403
    assert change(client, prompt["id"], shared=False).status_code == 200
    assert change(client, prompt["id"], content="New").status_code == 200


def test_prompt_of_somebody_else_looks_like_a_missing_one_to_who_would_change_it(
    api: Client, juno: User, root: User
) -> None:
    shared = save(client_of(root), "Shared", shared=True).json()["id"]
    private = save(client_of(juno), "Private").json()["id"]

    for client in (api, client_of(User.objects.create(username="toor", role=Role.ADMIN))):
        for id_ in (shared, private, uuid.uuid4()):
            assert error_of(change(client, id_, content="Mine")) == (404, "not_found", None)
            assert error_of(client.delete(f"/api/prompts/{id_}")) == (404, "not_found", None)
    assert set(SavedPrompt.objects.values_list("content", flat=True)) == {"Be brief."}


def test_title_belongs_to_one_prompt_of_an_account(api: Client, juno: User) -> None:
    save(api, "Translate")
    other = save(api, "Other").json()["id"]

    refused = [save(api, "Translate"), change(api, other, title="Translate")]

    assert [error_of(answer) for answer in refused] == [(400, "invalid_request", "title")] * 2
    assert save(client_of(juno), "Translate").status_code == 201


def test_prompts_of_an_account_are_bounded(api: Client, mina: User) -> None:
    SavedPrompt.objects.bulk_create(SavedPrompt(owner=mina, title=str(n)) for n in range(MOST_PROMPTS))

    assert error_of(save(api, "one more")) == (400, "invalid_request", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", ""), ("title", "x" * 101), ("content", ""), ("content", "x" * 32_001), ("owner", "x")],
)
def test_malformed_prompt_is_refused_by_field(api: Client, field: str, value: str) -> None:
    answer = save(api, **{"title": "T", field: value})

    assert error_of(answer) == (400, "invalid_request", field)


def test_number_of_queries_does_not_grow_with_the_prompts(api: Client, mina: User) -> None:
    counts = []
    for size in (1, 50):
        SavedPrompt.objects.bulk_create(SavedPrompt(owner=mina, title=f"{size}-{n}") for n in range(size))
        with CaptureQueriesContext(connection) as queries:
            listed(api)
        counts.append(len(queries))

    assert counts[0] == counts[1]

"""The list of conversations in the REST API: its pages, its order and its filters."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation
from conversations.tests.rest import add, error_of, page, titles

pytestmark = pytest.mark.django_db


def test_empty_list_has_its_full_shape(api: Client) -> None:
    assert page(api) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_list_is_newest_first_and_says_whether_more_follow(api: Client, mina: User) -> None:
    rows = [add(mina, minutes=n, title=str(n)) for n in range(3)]

    content = page(api, limit=2)

    assert titles(content) == ["2", "1"]
    assert (content["first_id"], content["last_id"], content["has_more"]) == (
        str(rows[2].id),
        str(rows[1].id),
        True,
    )
    assert page(api, limit=3)["has_more"] is False


def test_row_of_the_list_has_no_messages(api: Client, mina: User) -> None:
    row = add(mina, title="T", system_prompt="S", model="tiny")

    (shown,) = page(api)["data"]

    assert shown.pop("created_at").endswith("Z")
    assert shown == {
        "id": str(row.id),
        "title": "T",
        "system_prompt": "S",
        "model": "tiny",
        "version": 1,
        "archived": False,
        "updated_at": "2026-11-22T12:00:00Z",
    }


def test_pages_neither_repeat_nor_skip_while_rows_are_added(api: Client, mina: User) -> None:
    for n in range(7):
        add(mina, minutes=n, title=str(n))
    seen: list[str] = []
    after: dict[str, str] = {}

    while True:
        content = page(api, limit=3, **after)
        seen += titles(content)
        add(mina, minutes=100 + len(seen), title="added meanwhile")
        if not content["has_more"]:
            break
        after = {"after": content["last_id"]}

    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


def test_pages_are_cut_cleanly_among_rows_of_the_same_moment(api: Client, mina: User) -> None:
    expected = sorted((str(add(mina).id) for _ in range(5)), reverse=True)
    seen: list[str] = []
    after: dict[str, str] = {}

    while len(seen) < 5:
        content = page(api, limit=2, **after)
        assert content["data"]
        seen += [row["id"] for row in content["data"]]
        after = {"after": content["last_id"]}

    assert seen == expected


def test_cursor_survives_the_deletion_of_its_row(api: Client, mina: User) -> None:
    rows = [add(mina, minutes=n, title=str(n)) for n in range(3)]
    Conversation.objects.filter(pk=rows[1].pk).update(deleted_at=timezone.now())

    assert titles(page(api, after=str(rows[1].pk))) == ["0"]


def test_list_shows_nobody_elses_and_nothing_deleted(api: Client, mina: User) -> None:
    add(mina, title="mine")
    add(mina, title="deleted", deleted_at=timezone.now())
    add(User.objects.create(username="juno"), title="foreign")

    assert titles(page(api)) == ["mine"]


def test_archived_conversations_are_listed_on_request(api: Client, mina: User) -> None:
    add(mina, title="open")
    add(mina, title="archived", is_archived=True)

    assert titles(page(api)) == ["open"]
    assert titles(page(api, archived="true")) == ["archived"]


def test_list_can_be_narrowed_to_a_part_of_the_title(api: Client, mina: User) -> None:
    add(mina, title="서울 여행 계획", minutes=2)
    add(mina, title="Trip to SEOUL", minutes=1)
    add(mina, title="100% cotton", minutes=0)

    assert titles(page(api, q="여행")) == ["서울 여행 계획"]
    assert titles(page(api, q="seoul")) == ["Trip to SEOUL"]
    assert titles(page(api, q="%")) == ["100% cotton"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"after": "1"}, "after"),
        ({"after": str(uuid.uuid4())}, "after"),
        ({"archived": "perhaps"}, "archived"),
        ({"q": "a\x00b"}, "q"),
        ({"q": "x" * 201}, "q"),
        ({"offset": "10"}, "offset"),
    ],
)
def test_malformed_query_is_refused_by_parameter(api: Client, query: dict[str, str], param: str) -> None:
    assert error_of(api.get("/api/conversations", query)) == (400, "invalid_request", param)


def test_cursor_of_somebody_else_looks_like_none(api: Client) -> None:
    foreign = add(User.objects.create(username="juno"))

    responses = [api.get("/api/conversations", {"after": str(id_)}) for id_ in (foreign.id, uuid.uuid4())]

    assert responses[0].status_code == 400
    assert responses[0].content == responses[1].content

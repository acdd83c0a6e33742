"""The list of conversations in the REST API: its pages, its order and its filters."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Folder
from conversations.tests.rest import NOON, add, error_of, page, titles

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
        "title_source": "first",
        "folder_id": None,
        "version": 1,
        "archived": False,
        "pinned": False,
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
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


def test_list_can_be_narrowed_to_a_folder_and_to_what_is_pinned(api: Client, mina: User) -> None:
    folder, other = (Folder.objects.create(owner=mina, name=name) for name in ("Work", "Home"))
    add(mina, minutes=3, title="pinned in it", folder=folder, is_pinned=True)
    add(mina, minutes=2, title="in it", folder=folder)
    add(mina, minutes=1, title="pinned elsewhere", folder=other, is_pinned=True)
    add(mina, title="archived in it", folder=folder, is_archived=True)

    assert titles(page(api, folder_id=str(folder.id))) == ["pinned in it", "in it"]
    assert titles(page(api, folder_id=str(folder.id), archived="true")) == ["archived in it"]
    assert titles(page(api, pinned="true")) == ["pinned in it", "pinned elsewhere"]
    assert titles(page(api, pinned="false")) == ["in it"]
    assert titles(page(api, folder_id=str(folder.id), pinned="true")) == ["pinned in it"]


def test_folder_of_somebody_else_is_as_empty_as_one_that_is_not_there(api: Client) -> None:
    juno = User.objects.create(username="juno")
    foreign = Folder.objects.create(owner=juno, name="Work")
    add(juno, folder=foreign)

    assert page(api, folder_id=str(foreign.id)) == page(api, folder_id=str(uuid.uuid4()))


def test_trash_is_a_list_of_its_own_with_the_last_deleted_first(api: Client, mina: User) -> None:
    add(mina, title="kept")
    for n in range(3):
        add(mina, minutes=n, title=str(n), deleted_at=NOON - timedelta(minutes=n), is_archived=n == 1)
    add(User.objects.create(username="juno"), title="foreign", deleted_at=NOON)

    first = page(api, deleted="true", limit=2)
    rest = page(api, deleted="true", limit=2, after=first["last_id"])

    assert (titles(first), first["has_more"]) == (["0", "1"], True)
    assert (titles(rest), rest["has_more"]) == (["2"], False)
    assert first["data"][0]["deleted_at"] == "2026-11-22T12:00:00Z"
    assert titles(page(api, deleted="true", archived="true")) == ["1"]


def test_cursor_of_the_trash_has_to_be_in_it(api: Client, mina: User) -> None:
    response = api.get("/api/conversations", {"deleted": "true", "after": str(add(mina).id)})

    assert error_of(response) == (400, "invalid_request", "after")


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
        ({"pinned": "perhaps"}, "pinned"),
        ({"deleted": "perhaps"}, "deleted"),
        ({"folder_id": "1"}, "folder_id"),
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

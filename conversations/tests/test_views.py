"""The conversation calls of the REST API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.tokens import issue_pair
from conversations.models import Conversation, Message

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


def client_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {issue_pair(user).access_token}"})


@pytest.fixture
def api(mina: User) -> Client:
    """A client that is logged in as mina."""
    return client_of(mina)


def add(owner: User, *, minutes: int = 0, **columns: Any) -> Conversation:
    """A conversation last touched so many minutes after noon."""
    return Conversation.objects.create(owner=owner, updated_at=NOON + timedelta(minutes=minutes), **columns)


def page(api: Client, **query: str | int) -> dict[str, Any]:
    response = api.get("/api/conversations", query)
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def titles(content: dict[str, Any]) -> list[str]:
    return [row["title"] for row in content["data"]]


def error_of(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


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
    assert counts[0] <= 4


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

"""Links by which people without an account read a conversation."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from conversations import sharing
from conversations.models import Conversation, Message, SharedLink
from conversations.sharing import MOST_LINKS, make_token, read_token
from conversations.tests.rest import add, client_of, error_of
from gateway.conf import get_config

pytestmark = pytest.mark.django_db

MISSING = (404, "not_found", None)


@pytest.fixture(autouse=True)
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets settings; links are on to begin with."""

    def set_values(**values: Any) -> None:
        config = replace(get_config(), **{"shared_links": True} | values)
        monkeypatch.setattr(sharing, "get_config", lambda: config)

    set_values()
    return set_values


@pytest.fixture
def talk(mina: User) -> Conversation:
    row = add(mina, title="Bread", system_prompt="prompt-of-hers", model="secret-model")
    say(row, "How?", request_id="request-of-hers")
    say(row, "So.", role="assistant", model="tiny", reasoning="thought-of-hers", tool_calls=[{"id": "call"}])
    return row


def say(row: Conversation, content: str, **columns: Any) -> Message:
    """The next message of the active branch."""
    columns = {"role": "user", "parent": row.head} | columns
    row.head = Message.objects.create(conversation=row, owner=row.owner, content=content, **columns)
    row.save()
    return row.head


def share(api: Client, row: Conversation, **body: object) -> Any:
    return api.post(f"/api/conversations/{row.id}/shares", body, content_type="application/json")


def visit(path: str, **query: str | int) -> Any:
    return Client().get(path, query)


def contents(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [message["content"] for message in answer.json()["messages"]]


def test_whoever_has_the_link_reads_what_was_said_and_nothing_else(api: Client, talk: Conversation) -> None:
    made = share(api, talk)

    answer = visit(made.json()["path"])

    assert made.status_code == 201
    assert answer.status_code == 200
    content = answer.json()
    assert all(message.pop("created_at").endswith("Z") for message in content["messages"])
    assert content == {
        "title": "Bread",
        "models": ["tiny"],
        "messages": [
            {"role": "user", "content": "How?", "parts": None, "model": ""},
            {"role": "assistant", "content": "So.", "parts": None, "model": "tiny"},
        ],
        "before": None,
    }
    text = answer.content.decode()
    ids = [talk.id, talk.owner_id, *talk.messages.values_list("pk", flat=True)]
    assert [id_ for id_ in ids if str(id_) in text or id_.hex in text] == []
    assert "hers" not in text


def test_answers_about_a_link_are_kept_by_no_cache_and_learned_by_nobody(
    api: Client, talk: Conversation
) -> None:
    for answer in (visit(share(api, talk).json()["path"]), visit("/api/shared/x")):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_link_shows_the_branch_as_far_as_it_went_when_it_was_shared(api: Client, talk: Conversation) -> None:
    path = share(api, talk).json()["path"]

    say(talk, "later")
    say(talk, "beside", parent=None)
    api.patch(f"/api/conversations/{talk.id}", {"title": "Renamed"}, content_type="application/json")

    assert contents(visit(path)) == ["How?", "So."]
    assert visit(path).json()["title"] == "Renamed"


def test_prompts_tools_and_empty_answers_are_not_shown(api: Client, talk: Conversation) -> None:
    say(talk, "be evil", role="system")
    say(talk, "", role="assistant", tool_calls=[{"id": "call"}])
    say(talk, "42 degrees", role="tool", tool_call_id="call")
    say(talk, "It is 42 degrees.", role="assistant")

    assert contents(visit(share(api, talk).json()["path"])) == ["How?", "So.", "It is 42 degrees."]


def test_files_are_shown_as_what_they_are_without_their_ids(api: Client, talk: Conversation) -> None:
    file_id = str(uuid.uuid4())
    parts = [
        {"type": "text", "length": 4},
        {"type": "image", "file_id": file_id},
        {"type": "document", "file_id": file_id, "name": "a.pdf"},
        {"type": "of a later version", "file_id": file_id},
    ]
    say(talk, "Look", parts=parts)

    answer = visit(share(api, talk).json()["path"])

    assert answer.json()["messages"][-1]["parts"] == [
        {"type": "text", "length": 4},
        {"type": "image"},
        {"type": "document", "name": "a.pdf"},
    ]
    assert file_id not in answer.content.decode()


def test_pages_lead_to_the_first_message_and_nowhere_else(api: Client, talk: Conversation) -> None:
    for n in range(5):
        say(talk, str(n))
    elsewhere = share(api, talk).json()
    link = share(api, talk).json()
    pages = [visit(link["path"], limit=3)]

    while cursor := pages[-1].json()["before"]:
        pages.append(visit(link["path"], limit=3, before=cursor))

    assert [contents(page) for page in pages] == [["2", "3", "4"], ["So.", "0", "1"], ["How?"]]
    cursor = pages[0].json()["before"]
    for path, before in (
        (elsewhere["path"], cursor),
        (link["path"], talk.head.id.hex if talk.head else ""),
        (link["path"], cursor[:-1]),
        (link["path"], "x" * 201),
    ):
        assert error_of(visit(path, before=before)) == (400, "invalid_request", "before")


def delete(row: Conversation) -> None:
    Conversation.objects.filter(pk=row.pk).update(deleted_at=timezone.now())


def expire(row: Conversation) -> None:
    SharedLink.objects.filter(conversation=row).update(expires_at=timezone.now())


@pytest.mark.parametrize(
    "end",
    [
        delete,
        expire,
        lambda row: SharedLink.objects.all().delete(),
        lambda row: User.objects.filter(pk=row.owner_id).update(is_active=False),
    ],
    ids=["deleted", "expired", "revoked", "owner deactivated"],
)
def test_link_that_does_not_work_any_more_looks_like_one_that_never_was(
    api: Client, talk: Conversation, end: Callable[[Conversation], Any]
) -> None:
    path = share(api, talk).json()["path"]
    assert visit(path).status_code == 200

    end(talk)

    answers = [visit(path), *(visit(f"/api/shared/{token}") for token in ("x", make_token(uuid.uuid4())))]
    assert [error_of(answer) for answer in answers] == [MISSING] * 3
    assert len({answer.content for answer in answers}) == 1


def test_links_are_off_by_default_and_those_made_before_stop(
    api: Client, talk: Conversation, configure: Callable[..., None]
) -> None:
    path = share(api, talk).json()["path"]
    configure(shared_links=False)

    assert get_config().shared_links is False
    assert error_of(share(api, talk)) == (403, "permission_denied", None)
    assert error_of(visit(path)) == MISSING
    assert len(api.get("/api/shares").json()["data"]) == 1


def test_restored_conversation_has_its_links_again(api: Client, talk: Conversation) -> None:
    path = share(api, talk).json()["path"]

    api.delete(f"/api/conversations/{talk.id}")
    assert visit(path).status_code == 404
    api.post(f"/api/conversations/{talk.id}/restore")

    assert visit(path).status_code == 200


def test_owner_sees_and_revokes_links_and_nobody_else_does(
    api: Client, talk: Conversation, mina: User, juno: User
) -> None:
    other = add(mina)
    say(other, "x")
    links = [share(api, talk).json(), share(api, other).json()]
    theirs = client_of(juno)

    assert api.get("/api/shares").json()["data"] == links[::-1]
    assert api.get(f"/api/conversations/{talk.id}/shares").json()["data"] == links[:1]
    assert theirs.get("/api/shares").json()["data"] == []
    answers = [theirs.delete(f"/api/shares/{id_}") for id_ in (links[0]["id"], uuid.uuid4())]
    assert [error_of(answer) for answer in answers] == [MISSING] * 2
    assert api.delete(f"/api/shares/{links[0]['id']}").status_code == 204
    assert visit(links[0]["path"]).status_code == 404
    assert visit(links[1]["path"]).status_code == 200


def test_link_lasts_as_long_as_asked_and_no_longer_than_allowed(
    api: Client, talk: Conversation, configure: Callable[..., None]
) -> None:
    configure(shared_link_days=7)

    def lasts(**body: object) -> timedelta:
        share(api, talk, **body)
        link = SharedLink.objects.order_by("created_at").last()
        assert link is not None
        assert link.expires_at is not None
        return link.expires_at - link.created_at

    assert round(lasts() / timedelta(days=1), 3) == 7
    assert round(lasts(expires_in_days=2) / timedelta(days=1), 3) == 2
    for days in (8, 0, 4000):
        refused = share(api, talk, expires_in_days=days)
        assert error_of(refused) == (400, "invalid_request", "expires_in_days")


def test_links_are_bounded_and_expired_ones_make_room(
    api: Client, talk: Conversation, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_LINKS <= 1000
    monkeypatch.setattr(sharing, "MOST_LINKS", 2)
    share(api, talk), share(api, talk)

    assert error_of(share(api, talk)) == (400, "invalid_request", None)
    expire(talk)
    assert share(api, talk).status_code == 201
    assert SharedLink.objects.count() == 1


def test_conversation_without_messages_is_not_shared(api: Client, mina: User) -> None:
    assert error_of(share(api, add(mina))) == (400, "invalid_request", None)


@pytest.mark.parametrize(
    "change",
    [str.upper, lambda token: token[:-1], lambda token: "0" + token[1:], lambda token: token.split(".")[0]],
    ids=["upper", "shorter", "other id", "unsigned"],
)
def test_token_that_was_not_signed_here_is_none(change: Callable[[str], str], settings: Settings) -> None:
    token = make_token(uuid.UUID(int=2**127))

    assert read_token(token) == uuid.UUID(int=2**127)
    assert read_token(change(token)) is None
    settings.SECRET_KEY = "another" * 7
    assert read_token(token) is None


def test_number_of_queries_does_not_grow_with_what_is_shared(api: Client, talk: Conversation) -> None:
    counts = []
    for size in (1, 40):
        for _ in range(size):
            say(talk, "x")
            path = share(api, talk).json()["path"]
        with CaptureQueriesContext(connection) as queries:
            visit(path)
            api.get("/api/shares")
        # Among the others is one for the limits of addresses, every three seconds.
        counts.append(len([query for query in queries if "conversations_" in query["sql"]]))

    assert counts[0] == counts[1]


def test_strangers_are_counted_by_their_address(talk: Conversation, settings: Settings) -> None:
    settings.ADDRESS_RATE = "2/m"
    stranger = Client(REMOTE_ADDR=f"10.{uuid.uuid4().int % 250}.7.9")

    statuses = [stranger.get("/api/shared/x").status_code for _ in range(3)]

    assert statuses == [404, 404, 429]
    assert json.loads(stranger.get("/api/shared/x").content)["error"]["code"] == "rate_limit_exceeded"

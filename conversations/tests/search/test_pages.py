"""Pages of a search, its filters and its cost in statements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import User
from conversations.models import Conversation, Message, SearchBucket
from conversations.search import candidates, store
from conversations.tests.rest import NOON, add, error_of
from conversations.tests.search.searches import found_texts, say_alone, search_for
from conversations.tests.trees import say

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUCKET_ENTRIES", 4)


def read_all(api: Client, q: str, **query: Any) -> list[str]:
    """The texts of all pages."""
    texts: list[str] = []
    page = search_for(api, q, **query)
    while True:
        texts += [hit["snippet"]["text"] for hit in page["data"]]
        assert page["has_more"] == (page["next"] is not None)
        if not page["has_more"]:
            return texts
        page = search_for(api, q, after=page["next"], **query)


@pytest.mark.parametrize("limit", [1, 3, 5, 100])
@pytest.mark.usefixtures("small_buckets")
def test_pages_hold_titles_then_messages_newest_first(api: Client, mina: User, limit: int) -> None:
    for n in range(6):
        add(mina, title=f"word of title {n}")
    conversation = add(mina)
    for n in range(11):
        say(conversation, None, "user", f"word {n}" if n % 2 else f"nothing {n}")

    texts = read_all(api, "word", limit=limit)

    assert texts == [f"word of title {n}" for n in range(5, -1, -1)] + [f"word {n}" for n in (9, 7, 5, 3, 1)]
    assert SearchBucket.objects.count() == 5


def test_page_that_titles_fill_says_whether_messages_follow(api: Client, mina: User) -> None:
    add(mina, title="a word")
    assert search_for(api, "word", limit=1)["has_more"] is False

    say_alone(mina, "a word said")

    assert read_all(api, "word", limit=1) == ["a word", "a word said"]


@pytest.mark.usefixtures("small_buckets")
def test_texts_that_have_the_pieces_but_not_the_word_are_passed_over(api: Client, mina: User) -> None:
    conversation = add(mina)
    say(conversation, None, "user", "the abcdefgh itself")
    for n in range(60):
        say(conversation, None, "user", f"abcd efgh abcdef cdefgh {n}")

    assert read_all(api, "abcdefgh", limit=2) == ["the abcdefgh itself"]


@pytest.mark.usefixtures("small_buckets")
def test_search_that_met_too_much_of_the_trash_goes_on_from_there(
    api: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_LOOKED_AT", 5)
    say_alone(mina, "word kept")
    trash = add(mina)
    for n in range(12):
        say(trash, None, "user", f"word {n}")
    search_for(api, "word")
    api.delete(f"/api/conversations/{trash.pk}")

    page = search_for(api, "word")

    assert (page["data"], page["has_more"]) == ([], True)
    assert read_all(api, "word") == ["word kept"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"role": "user"}, ["word 0", "word 2"]),
        ({"role": "assistant"}, ["word 1", "word 3"]),
        ({"role": "system"}, []),
        ({"model": "org/Tiny 1"}, ["word 1"]),
        ({"model": "org/tiny 1"}, []),
        ({"model": "Tiny"}, []),
        ({"role": "user", "model": "org/Tiny 1"}, []),
        ({"from": "2026-11-22T12:02:00Z", "role": "user"}, ["word 2"]),
        ({"from": "2026-11-22T12:01:00Z", "to": "2026-11-22T12:02:00Z"}, ["word 1"]),
        ({"to": "2026-11-22T12:00:00Z"}, []),
        ({"from": "2026-11-22T21:01:00+09:00", "to": "2026-11-22T12:03:00Z"}, ["word 1", "word 2"]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("small_buckets")
def test_filters_narrow_what_is_found(
    api: Client, mina: User, filters: dict[str, str], found: list[str]
) -> None:
    conversation = add(mina, title="word")
    for n in range(4):
        say(
            conversation,
            None,
            "assistant" if n % 2 else "user",
            f"word {n}",
            model={1: "org/Tiny 1", 3: "other"}.get(n, ""),
            created_at=NOON + timedelta(minutes=n),
        )

    assert sorted(found_texts(api, "word", **filters)) == found


def test_key_without_the_scope_is_refused(mina: User, client: Client) -> None:
    issued = issue_api_key(user=mina, name="chat alone", scopes=["chat"], origin=COMMAND)
    headers = {"Authorization": f"Bearer {issued.key}"}

    response = client.get("/api/conversations/search", {"q": "a"}, headers=headers)

    assert error_of(response)[:2] == (403, "permission_denied")


def test_number_of_statements_does_not_depend_on_what_is_found(api: Client, mina: User) -> None:
    def count(q: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            search_for(api, q)
        return len(queries)

    say_alone(mina, "one rare", title="one rare")
    search_for(api, "one")
    few = count("rare")
    for n in range(30):
        say_alone(mina, f"one {n}", title=f"one {n}")
    search_for(api, "one")

    assert count("one") <= few + 1  # what fills the page needs a look at what follows
    assert Message.objects.count() == Conversation.objects.count() == 31

"""The command that builds the index of all accounts."""

from __future__ import annotations

import uuid
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import MessageEntry
from conversations.search import building, refreshing
from conversations.search.refreshing import refresh
from conversations.tests.search.searches import refill, say_alone, search_for
from gateway.database.rows import is_postgresql

pytestmark = pytest.mark.django_db


def index_messages(*options: str) -> str:
    out = StringIO()
    call_command("index_messages", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("options", [(), ("--defer-index",)], ids=str)
def test_command_indexes_every_account_and_nothing_twice(
    api: Client, mina: User, juno: User, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "PASS_MESSAGES", 2)
    monkeypatch.setattr(refreshing, "MOST_MESSAGES", 2)
    for n in range(5):
        say_alone(mina, f"word {n}", title="word")
    say_alone(juno, "word")

    first, second = index_messages(*options), index_messages(*options)

    assert first.startswith("6 messages indexed, 2 accounts complete")
    assert second.startswith("0 messages indexed, 2 accounts complete")
    assert MessageEntry.objects.count() == 6
    assert len(search_for(api, "word")["data"]) == 10


def test_command_finds_what_searches_do_not_look_for(api: Client, mina: User) -> None:
    grown = say_alone(mina, "as it was")
    refresh(mina.id, timezone.now() + refreshing.SETTLED * 3)
    refill(grown, "as it became later")
    say_alone(mina, "later with an id of its own", id=uuid.UUID(int=1))

    assert index_messages().startswith("2 messages indexed")

    assert len(search_for(api, "later")["data"]) == 2


@pytest.mark.services
def test_index_of_terms_that_is_missing_is_built_again(mina: User) -> None:
    assert is_postgresql()
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX conversations_messageentry_terms")

    index_messages()

    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'conversations_messageentry_terms'")
        ((definition,),) = cursor.fetchall()
    assert "gin (terms)" in definition
    assert "fastupdate=off" in definition

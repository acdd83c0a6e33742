"""A model's title takes the place of none that somebody chose, and is no change for the owner."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, TitleSource
from conversations.services import create_conversation
from conversations.tests.rest import add
from conversations.titles import FoundTitle, find_untitled, store_titles

pytestmark = pytest.mark.django_db


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


def test_title_replaces_the_first_words_and_nothing_else_changes(mina: User) -> None:
    conversation, other = add(mina, title="hello how do", version=3), add(mina, title="other")
    before = Conversation.objects.values().get(pk=conversation.pk)

    assert store_titles([FoundTitle(conversation.pk, mina.pk, "Greetings")]) == [True]

    after = Conversation.objects.values().get(pk=conversation.pk)
    assert after == before | {"title": "Greetings", "title_source": TitleSource.MODEL}
    other.refresh_from_db()
    assert other.title == "other"


@pytest.mark.parametrize(
    "columns",
    [
        {"title_source": TitleSource.USER},
        {"title_source": TitleSource.MODEL},
        {"deleted_at": timezone.now()},
        {"owner": "somebody else"},
    ],
)
def test_title_that_somebody_chose_stays(mina: User, columns: dict[str, Any]) -> None:
    if "owner" in columns:
        columns = {"owner": User.objects.create(username="juno")}
    conversation = Conversation.objects.create(**({"owner": mina, "title": "mine"} | columns))

    assert store_titles([FoundTitle(conversation.pk, mina.pk, "Greetings")]) == [False]

    conversation.refresh_from_db()
    assert conversation.title == "mine"


def test_title_that_a_conversation_is_made_with_is_its_owners(mina: User) -> None:
    named, unnamed = (
        create_conversation(owner_id=mina.pk, title="mine"),
        create_conversation(owner_id=mina.pk),
    )

    assert (named.title_source, unnamed.title_source) == (TitleSource.USER, TitleSource.FIRST_MESSAGE)


def test_untitled_are_those_that_nobody_and_no_model_named(mina: User) -> None:
    untitled, named = add(mina), add(mina, title_source=TitleSource.USER)

    assert find_untitled([named.pk, untitled.pk, uuid.uuid4()]) == [False, True, False]

"""Searches that index while others search, and while what they index is removed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.models import User
from conversations.changes import delete_conversation, delete_permanently
from conversations.models import Conversation, Message, MessageEntry, TitleEntry
from conversations.search import refreshing, store
from conversations.search.refreshing import refresh
from conversations.tests.rest import add
from conversations.tests.search.searches import say_alone
from conversations.tree_changes import delete_branch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

DEADLINE_S = 30.0


class OnThread(threading.Thread):
    """Runs `call` with a connection of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self._call = call
        self.start()

    def run(self) -> None:
        try:
            self._call()
        except Exception as exc:
            self.failure = exc
        finally:
            connections.close_all()

    def finish(self) -> None:
        self.join(DEADLINE_S)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


def is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")
        (count,) = cursor.fetchone()
    return bool(count)


def remove(conversation: Conversation) -> None:
    place = {"owner_id": conversation.owner_id, "conversation_id": conversation.pk}
    delete_conversation(**place)
    delete_permanently(**place)


def test_searches_at_once_index_every_message_once(mina: User) -> None:
    conversation = add(mina)
    Message.objects.bulk_create(
        Message(conversation=conversation, owner=mina, role="user", content=f"word {n}") for n in range(200)
    )
    together = threading.Barrier(4)

    def index() -> None:
        together.wait(DEADLINE_S)
        refresh(mina.id, timezone.now())

    for thread in [OnThread(index) for _ in range(4)]:
        thread.finish()

    assert MessageEntry.objects.count() == 200


def test_conversation_that_is_removed_while_it_is_indexed_leaves_nothing(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = say_alone(mina, "word", title="word")
    removals: list[OnThread] = []
    write_messages = store.write_messages

    def write(*args: Any) -> None:
        write_messages(*args)
        removals.append(OnThread(lambda: remove(message.conversation)))
        while removals[0].is_alive() and not is_somebody_waiting():
            removals[0].join(0.01)

    monkeypatch.setattr(refreshing, "write_messages", write)

    refresh(mina.id, timezone.now())
    removals[0].finish()

    assert not Conversation.objects.exists()
    assert not MessageEntry.objects.exists()
    assert not TitleEntry.objects.exists()


def test_message_that_is_removed_before_it_is_indexed_is_left_out(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = say_alone(mina, "gone"), say_alone(mina, "kept")
    place = {"conversation_id": gone.conversation_id, "message_id": gone.pk}
    write_messages = store.write_messages

    def write(*args: Any) -> None:
        OnThread(lambda: delete_branch(user_id=mina.id, **place)).finish()
        write_messages(*args)

    monkeypatch.setattr(refreshing, "write_messages", write)

    assert refresh(mina.id, timezone.now())

    assert list(MessageEntry.objects.values_list("message_id", flat=True)) == [kept.pk]

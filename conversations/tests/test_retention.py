"""What is removed for good, and when."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, Role, User
from conversations import retention
from conversations.files import purging
from conversations.files.storing import use_files
from conversations.models import (
    Conversation,
    Feedback,
    Message,
    RetentionRule,
    SharedLink,
    StoredFile,
    StoredResponse,
)
from conversations.removal import remove_conversations
from conversations.tests.trees import chain, say, start_streaming

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage_in_memory(settings: Settings) -> None:
    storages = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    settings.STORAGES = storages


@pytest.fixture
def boss() -> User:
    return User.objects.create(username="boss", role=Role.ADMIN)


def talk(owner: User, title: str, *, said_days_ago: float = 0, **columns: Any) -> Conversation:
    """A conversation of two messages."""
    at = timezone.now() - timedelta(days=said_days_ago)
    conversation = Conversation.objects.create(owner=owner, title=title, updated_at=at, **columns)
    question = say(conversation, None, "user", "?")
    say(conversation, question, "assistant", "!")
    return conversation


def days_ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def upload(owner: User, content: bytes, *, days: float = 40) -> StoredFile:
    file = StoredFile.objects.create(
        owner=owner, sha256=content.hex(), kind="image", size_bytes=len(content), used_at=days_ago(days)
    )
    default_storage.save(file.storage_name, ContentFile(content))
    return file


def purge(*options: str) -> str:
    printed = io.StringIO()
    call_command("purge_conversations", *options, stdout=printed)
    return printed.getvalue()


def titles() -> set[str]:
    return set(Conversation.objects.values_list("title", flat=True))


def test_what_was_deleted_long_ago_is_removed_with_all_that_belongs_to_it(mina: User) -> None:
    gone = talk(mina, "deleted long ago", deleted_at=days_ago(31))
    assert gone.head
    Feedback.objects.create(message=gone.head, owner=mina, rating=1)
    SharedLink.objects.create(conversation=gone, owner=mina, head=gone.head)
    talk(mina, "deleted lately", deleted_at=days_ago(29))
    talk(mina, "old", said_days_ago=9999)

    printed = purge()

    assert titles() == {"deleted lately", "old"}
    assert (Message.objects.count(), Feedback.objects.count(), SharedLink.objects.count()) == (4, 0, 0)
    assert "Deleted more than 30 days ago: 1 conversations with 2 messages removed." in printed


def test_each_role_has_its_rule_and_pinned_conversations_are_no_exception(mina: User, boss: User) -> None:
    RetentionRule.objects.create(role="user", days=10)
    RetentionRule.objects.create(role="admin", days=100)
    talk(mina, "gone", said_days_ago=11)
    talk(mina, "gone though pinned", said_days_ago=11, is_pinned=True)
    talk(mina, "gone though just deleted", said_days_ago=11, deleted_at=days_ago(1))
    talk(mina, "new", said_days_ago=9)
    talk(boss, "kept for longer", said_days_ago=99)
    talk(boss, "gone as well", said_days_ago=101)

    printed = purge()

    assert titles() == {"new", "kept for longer"}
    assert "Role user, nothing said for 10 days: 3 conversations with 6 messages removed." in printed
    assert "Role admin, nothing said for 100 days: 1 conversations" in printed


def test_conversation_with_a_running_answer_is_left_to_the_next_run(mina: User) -> None:
    conversation = talk(mina, "running", deleted_at=days_ago(99))
    running = start_streaming(conversation, conversation.head)

    purge()
    assert titles() == {"running"}

    Message.objects.filter(pk=running.pk).update(status="complete")
    purge()
    assert titles() == set()


def test_dry_run_changes_nothing_and_says_the_same_numbers(mina: User) -> None:
    RetentionRule.objects.create(role="user", days=10)
    talk(mina, "of both policies", said_days_ago=99, deleted_at=days_ago(99))
    used_by_old = upload(mina, b"old")
    old = talk(mina, "old", said_days_ago=99)
    say(old, old.head, "user", "", parts=[{"type": "image", "file_id": str(used_by_old.pk)}])
    talk(mina, "new")
    before = [list(model.objects.order_by("pk").values()) for model in (Conversation, Message, StoredFile)]

    told = purge("--dry-run")

    after = [list(model.objects.order_by("pk").values()) for model in (Conversation, Message, StoredFile)]
    assert after == before
    assert default_storage.exists(used_by_old.storage_name)
    assert not AuditEvent.objects.exists()
    assert told.replace("would be removed", "removed") == purge()
    assert "1 conversations with 2 messages" in told
    assert "1 conversations with 3 messages" in told
    assert "refers to: 1 (3 bytes)" in told
    assert titles() == {"new"}


def test_stored_responses_go_when_they_expire_or_a_rule_keeps_them_no_longer(mina: User, boss: User) -> None:
    RetentionRule.objects.create(role="user", days=10)
    for owner, created, expires in ((mina, 11, -19), (mina, 9, -21), (boss, 11, -19), (boss, 31, 1)):
        StoredResponse.objects.create(
            owner=owner,
            thread_id=owner.pk,
            input="[]",
            created_at=days_ago(created),
            expires_at=days_ago(expires),
        )

    told = purge("--dry-run")

    assert StoredResponse.objects.count() == 4
    assert told.replace("would be removed", "removed") == purge()
    assert "Stored responses of /v1/responses: 2 removed." in told.replace("would be removed", "removed")
    assert StoredResponse.objects.filter(expires_at__gt=timezone.now()).count() == 2


def test_run_is_one_line_of_the_audit_trail(mina: User) -> None:
    talk(mina, "canary", deleted_at=days_ago(99))

    purge()

    event = AuditEvent.objects.get()
    assert (event.action, event.via) == ("conversations_purged", "command")
    assert event.changes["messages"] == 2
    assert "canary" not in str(event.changes)


def test_files_that_nothing_refers_to_lose_row_and_bytes(mina: User, boss: User) -> None:
    used, unused, new, elsewhere = (
        upload(mina, b"used"),
        upload(mina, b"unused"),
        upload(mina, b"new", days=29),
        upload(boss, b"used"),
    )
    # What another account's message says about it is nothing to go by.
    for owner in (mina, boss):
        conversation = talk(owner, "files")
        say(conversation, conversation.head, "user", "", parts=[{"type": "image", "file_id": str(used.pk)}])

    purge()

    assert set(StoredFile.objects.values_list("pk", flat=True)) == {used.pk, new.pk}
    kept = [default_storage.exists(file.storage_name) for file in (used, new, unused, elsewhere)]
    assert kept == [True, True, False, False]


def test_file_that_is_attached_while_it_is_being_purged_stays(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached, unused = upload(mina, b"attached"), upload(mina, b"unused")

    def find_and_attach(*args: Any) -> Iterator[list[StoredFile]]:
        for found in purging.find_unused_files(*args):
            use_files(mina.pk, [attached.pk])
            yield found

    monkeypatch.setattr(retention, "find_unused_files", find_and_attach)

    assert "refers to: 1 (" in purge()

    assert set(StoredFile.objects.values_list("pk", flat=True)) == {attached.pk}
    assert [default_storage.exists(file.storage_name) for file in (attached, unused)] == [True, False]


def test_files_are_looked_through_in_pages(mina: User, boss: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "MOST_FILES", 2)
    for owner in (mina, boss):
        for n in range(5):
            upload(owner, bytes([n]))

    assert "refers to: 10 (10 bytes) removed" in purge()


@pytest.mark.parametrize(("conversations", "messages"), [(2, 10_000), (100, 5)])
def test_removal_goes_in_bounded_steps(
    mina: User, monkeypatch: pytest.MonkeyPatch, conversations: int, messages: int
) -> None:
    monkeypatch.setattr(retention, "MOST_CONVERSATIONS", conversations)
    monkeypatch.setattr(retention, "MOST_MESSAGES", messages)
    steps: list[int] = []

    def remove(ids: list[uuid.UUID]) -> None:
        steps.append(len(ids))
        remove_conversations(ids)

    monkeypatch.setattr(retention, "remove_conversations", remove)
    for n in range(5):
        talk(mina, str(n), deleted_at=days_ago(99))

    purge()

    assert steps == [2, 2, 1]
    assert not Conversation.objects.exists()


def test_long_conversation_goes_in_as_many_statements_as_a_short_one(mina: User) -> None:
    counts = []
    for length in (3, 4000):
        conversation, _rows = chain(mina, length)
        Conversation.objects.filter(pk=conversation.pk).update(deleted_at=days_ago(99))
        with CaptureQueriesContext(connection) as queries:
            purge()
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert not Message.objects.exists()

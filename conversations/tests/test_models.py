"""What the database itself refuses."""

from __future__ import annotations

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation() -> Conversation:
    return Conversation.objects.create(owner=User.objects.create(username="mina"))


def add(conversation: Conversation, **columns: object) -> Message:
    return Message.objects.create(conversation=conversation, owner=conversation.owner, **columns)


def test_second_running_answer_in_a_conversation_is_refused(conversation: Conversation) -> None:
    running = {"role": "assistant", "status": "streaming", "lease_expires_at": timezone.now()}
    add(conversation, **running)

    with pytest.raises(IntegrityError, match=r"one_streaming_message|conversation_id"):
        add(conversation, **running)


@pytest.mark.parametrize(
    "columns", [{"role": "user", "lease_expires_at": timezone.now()}, {"role": "assistant"}]
)
def test_only_a_leased_answer_can_be_running(conversation: Conversation, columns: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="streaming_message_is_a_leased_answer"):
        add(conversation, status="streaming", **columns)


def test_client_message_id_is_unique_per_owner(conversation: Conversation) -> None:
    add(conversation, role="user", client_message_id="c-1")

    with pytest.raises(IntegrityError, match="client_message_id"):
        add(conversation, role="user", client_message_id="c-1")


def test_conversation_outlives_its_head(conversation: Conversation) -> None:
    conversation.head = add(conversation, role="user")
    conversation.save()

    Message.objects.all().delete()

    conversation.refresh_from_db()
    assert conversation.head is None


def test_deleted_account_takes_its_conversations_along(conversation: Conversation) -> None:
    conversation.head = add(conversation, role="user")
    conversation.save()

    User.objects.get(username="mina").delete()

    assert (Conversation.objects.count(), Message.objects.count()) == (0, 0)


def test_text_form_shows_no_text(conversation: Conversation) -> None:
    conversation.title = "canary"
    message = add(conversation, role="user", content="canary")

    assert "canary" not in f"{conversation} {message}"

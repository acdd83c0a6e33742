"""People who have conversations, and answers that are being generated for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message
from conversations.tests.rest import client_of


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def juno() -> User:
    return User.objects.create(username="juno")


@pytest.fixture
def start_answer(mina: User) -> Callable[..., Message]:
    """Makes a conversation of mina's with a running answer."""

    def start(*, lease_s: float = 30, content: str = "") -> Message:
        return Message.objects.create(
            conversation=Conversation.objects.create(owner=mina),
            owner=mina,
            role="assistant",
            status="streaming",
            content=content,
            lease_expires_at=timezone.now() + timedelta(seconds=lease_s),
        )

    return start


@pytest.fixture
def api(mina: User) -> Client:
    """A client that is logged in as mina."""
    return client_of(mina)

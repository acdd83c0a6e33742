"""Calls of the REST API, and what they answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from accounts.models import User
from accounts.tokens import issue_pair
from conversations.models import Conversation

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def client_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {issue_pair(user).access_token}"})


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

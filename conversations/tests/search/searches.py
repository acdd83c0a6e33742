"""Searches by REST, and texts to find."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.models import User
from conversations.models import Message
from conversations.tests.rest import add
from conversations.tests.trees import say


def search_for(api: Client, q: str, **query: str | int) -> dict[str, Any]:
    response = api.get("/api/conversations/search", {"q": q, **query})
    assert response.status_code == 200, response.content
    content: dict[str, Any] = response.json()
    return content


def found_texts(api: Client, q: str, **query: str | int) -> list[str]:
    return [hit["snippet"]["text"] for hit in search_for(api, q, **query)["data"]]


def say_alone(owner: User, content: str, *, role: str = "user", title: str = "", **columns: Any) -> Message:
    """A message in a conversation of its own."""
    return say(add(owner, title=title), None, role, content, **columns)


def marked(hit: dict[str, Any]) -> list[str]:
    """The parts of a snippet that match."""
    return [hit["snippet"]["text"][start:end] for start, end in hit["snippet"]["matches"]]


def refill(message: Message, content: str, **columns: Any) -> None:
    """Give a row another text, as what generates answers does it."""
    Message.objects.filter(pk=message.pk).update(content=content, **columns)

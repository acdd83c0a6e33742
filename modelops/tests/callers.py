"""Callers of the REST API."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.models import Role, User
from accounts.tokens import issue_pair


def sign_in(username: str, role: Role) -> Client:
    """A new account's client, with an access token of its own."""
    user = User.objects.create_user(username, f"{username}@example.com", role=role)
    return Client(headers={"Authorization": f"Bearer {issue_pair(user).access_token}"})


def post(client: Client, path: str, content: Any = None) -> Any:
    return client.post(path, {} if content is None else content, content_type="application/json")

"""Clients and calls that the tests of the account views share."""

from __future__ import annotations

import random
from typing import Any

from django.test import Client

from accounts.models import User
from accounts.tokens import issue_pair

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "a quite different horse"


def client_at() -> Client:
    """A client with an address of its own, so that no other test has used up its attempts."""
    octets = (str(random.randrange(256)) for _ in range(3))  # noqa: S311
    return Client(REMOTE_ADDR=".".join(["10", *octets]))


def log_in(client: Client, username: str, password: str = PASSWORD, **more: object) -> Any:
    body = {"username": username, "password": password} | more
    return client.post("/api/auth/login", body, content_type="application/json")


def refresh(client: Client, token: str) -> Any:
    return client.post("/api/auth/refresh", {"refresh_token": token}, content_type="application/json")


def log_out(token: str, **more: object) -> Any:
    body = {"refresh_token": token} | more
    return Client().post("/api/auth/logout", body, content_type="application/json")


def me(client: Client, token: str) -> Any:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def client_of(user: User) -> Client:
    """A client that is logged in with a JWT, at an address of its own."""
    client = client_at()
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {issue_pair(user).access_token}"
    return client


def client_with(credential: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {credential}"})


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]

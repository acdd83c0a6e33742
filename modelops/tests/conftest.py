"""Who looks at the faces."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Role, User
from modelops.tests.callers import sign_in


@pytest.fixture
def web() -> Client:
    """An admin's browser."""
    client = Client()
    client.force_login(User.objects.create_user("root", "root@example.com", role=Role.ADMIN))
    return client


@pytest.fixture
def user() -> Client:
    """A user who calls the API."""
    return sign_in("mina", Role.USER)


@pytest.fixture
def admin() -> Client:
    """An admin who calls the API."""
    return sign_in("boss", Role.ADMIN)

"""Who looks at the faces."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Role, User


@pytest.fixture
def web() -> Client:
    """An admin's browser."""
    client = Client()
    client.force_login(User.objects.create_user("root", "root@example.com", role=Role.ADMIN))
    return client

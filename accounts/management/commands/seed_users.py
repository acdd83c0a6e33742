"""`manage.py seed_users`: the first two accounts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import Role
from accounts.services import SeededUser, seed_user
from gateway.conf import get_config


class Command(BaseCommand):
    help = (
        "Create the users admin and demo unless they exist. Passwords come from GATEWAY_ADMIN_PASSWORD "
        "and GATEWAY_USER_PASSWORD, or are made up and printed once."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        for username, password, role in (
            ("admin", config.admin_password, Role.ADMIN),
            ("demo", config.user_password, Role.USER),
        ):
            self.stdout.write(_describe(seed_user(username=username, password=password, role=role)))


def _describe(user: SeededUser) -> str:
    if user.made_up_password:
        return f"  user {user.username:<6} password {user.made_up_password}   (shown this once)"
    if user.is_new:
        return f"  user {user.username:<6} created with the password you set"
    if user.is_password_changed:
        return f"  user {user.username:<6} password changed to the one you set"
    return f"  user {user.username:<6} exists, its password is unchanged"

"""`manage.py seed_users`: the first two accounts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import Role
from accounts.services import SeededUser, seed_user
from gateway.caller_language import say_here
from gateway.conf import get_config
from gateway.wording import fill_in


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
    name = f"{user.username:<6}"
    if user.made_up_password:
        text = fill_in(
            "  user {name} password {password}   (shown this once)", name=name, password=user.made_up_password
        )
    elif user.is_new:
        text = fill_in("  user {name} created with the password you set", name=name)
    elif user.is_password_changed:
        text = fill_in("  user {name} password changed to the one you set", name=name)
    else:
        text = fill_in("  user {name} exists, its password is unchanged", name=name)
    said: str = say_here(text)
    return said

"""`manage.py seed_users`: the first two accounts."""

from __future__ import annotations

from argparse import ArgumentParser
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

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--admin-only", action="store_true", help="no user demo")
        parser.add_argument(
            "--keep-passwords",
            action="store_true",
            help="leave the password of a user who exists, whatever GATEWAY_ADMIN_PASSWORD says by now",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        seeds = [("admin", config.admin_password, Role.ADMIN), ("demo", config.user_password, Role.USER)]
        for username, password, role in seeds[:1] if options["admin_only"] else seeds:
            seeded = seed_user(
                username=username, password=password, role=role, keep_password=options["keep_passwords"]
            )
            self.stdout.write(_describe(seeded))


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

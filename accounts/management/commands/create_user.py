"""`manage.py create_user NAME`: an account, from the command line."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.change_origin import COMMAND
from accounts.models import Role
from accounts.services import create_account
from gateway.errors import GatewayError


class Command(BaseCommand):
    help = (
        "Create an account. Without --password-stdin a password is made up and printed once. "
        "A password is no argument: other users of the machine could read it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email")
        parser.add_argument("--admin", action="store_true", help="May do everything.")
        parser.add_argument(
            "--password-stdin", action="store_true", help="Read the password from standard input, one line."
        )
        parser.add_argument(
            "--quiet", action="store_true", help="Print nothing but a made-up password, for scripts."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else ""
        if options["password_stdin"] and not given:
            raise CommandError("There is no password on standard input.")
        made_up = "" if given else secrets.token_urlsafe(12)
        try:
            user = create_account(
                username=options["username"],
                password=given or made_up,
                email=options["email"],
                role=Role.ADMIN if options["admin"] else Role.USER,
                origin=COMMAND,
            )
        except GatewayError as exc:
            raise CommandError(f"{exc.param}: {exc.message}" if exc.param else exc.message) from exc
        if options["quiet"]:
            if made_up:
                self.stdout.write(made_up)
            return
        self.stdout.write(f"{user.get_role_display()} {user.username} created.")
        if made_up:
            self.stdout.write(f"Password, shown this once: {made_up}")

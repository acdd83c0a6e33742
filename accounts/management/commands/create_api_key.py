"""`manage.py create_api_key USER`: an API key, from the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.management.named_accounts import find_account
from accounts.models.keys import MAX_KEY_NAME
from accounts.scopes import Scope
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, to_command_error
from gateway.errors import GatewayError
from gateway.wording import fill_in


class Command(BaseCommand):
    help = "Issue an API key for an account. The key is printed once and stored nowhere."
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="User name or e-mail address.")
        parser.add_argument("--name", default="command line")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help=f"Can be repeated. Default: {Scope.CHAT} and {Scope.MODELS_READ}.",
        )
        parser.add_argument("--model", action="append", help="Only for this model; can be repeated.")
        parser.add_argument("--expires-days", type=int, help="Days until it ends; default: never.")
        parser.add_argument("--quiet", action="store_true", help="Print nothing but the key, for scripts.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_account(options["user"])
        days = options["expires_days"]
        if days is not None and not 1 <= days <= 36_500:
            raise refuse_input(fill_in("--expires-days: expected 1 to 36500"))
        try:
            issued = issue_api_key(
                user=user,
                name=options["name"][:MAX_KEY_NAME],
                scopes=options["scope"] or [Scope.CHAT, Scope.MODELS_READ],
                models=options["model"] or [],
                expires_at=None if days is None else timezone.now() + timedelta(days=days),
                origin=COMMAND,
            )
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        if options["quiet"]:
            self.stdout.write(issued.key)
            return
        self.stdout.write(
            say_here(
                fill_in(
                    "API key of {username}, scopes {scopes}.",
                    username=user.username,
                    scopes=", ".join(issued.row.scopes),
                )
            )
        )
        self.stdout.write(say_here(fill_in("The key, shown this once: {key}", key=issued.key)))

"""`manage.py revoke_sessions USER | --all`: log people out, everywhere and at once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.api_keys import revoke_api_key
from accounts.change_origin import COMMAND
from accounts.management.named_accounts import find_account
from accounts.models import ApiKey, Session, User
from accounts.sessions import end_sessions
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure, to_command_error
from gateway.errors import DependencyUnavailable, GatewayError
from gateway.wording import fill_in


class Command(BaseCommand):
    help = "End every session and cookie of an account, or of all. Takes effect on their next request."
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", nargs="?", help="User name or e-mail address.")
        parser.add_argument("--all", action="store_true", help="Of every account.")
        parser.add_argument(
            "--force",
            action="store_true",
            help="Also while Redis does not answer. Web processes hear of it within seconds of reaching it.",
        )
        parser.add_argument("--keys", action="store_true", help="Revoke their API keys too.")

    def handle(self, *args: Any, **options: Any) -> None:
        users, is_forced = _chosen(options), options["force"]
        try:
            ended = end_sessions(users, reason=Session.EndReason.ADMIN, origin=COMMAND, is_forced=is_forced)
            keys = ApiKey.objects.filter(user__in=users, revoked_at=None) if options["keys"] else ()
            revoked = sum(revoke_api_key(key=key, origin=COMMAND, is_forced=is_forced) for key in keys)
        except DependencyUnavailable as exc:
            raise report_failure(
                fill_in("{message} With --force it is done all the same.", message=exc.wording)
            ) from exc
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        self.stdout.write(
            say_here(
                fill_in("{ended} sessions ended, {revoked} API keys revoked.", ended=ended, revoked=revoked)
            )
        )


def _chosen(options: dict[str, Any]) -> list[User]:
    if bool(options["user"]) == options["all"]:
        raise refuse_input(fill_in("Name one account, or give --all."))
    if options["all"]:
        return list(User.objects.all())
    return [find_account(options["user"])]

"""`manage.py create_user NAME`: an account, from the command line."""

from __future__ import annotations

import getpass
import secrets
import sys
from argparse import Action, ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand

from accounts.change_origin import COMMAND
from accounts.models import Role
from accounts.services import create_account
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, to_command_error
from gateway.errors import GatewayError
from gateway.wording import fill_in

NO_ARGUMENT = fill_in(
    "a password is no argument: other users of this machine can read it in the list of processes, and the "
    "shell keeps it in its history. Leave it out, and one is made up and printed once; or give "
    "--password-stdin, which asks for it at a terminal without showing it and else reads one line. "
    "If the password just typed is in use anywhere, change it."
)


class RefusePassword(Action):
    """Ends the command with 2 and the reason; what was typed is not repeated."""

    def __call__(self, parser: ArgumentParser, *_args: object, **_kwargs: object) -> NoReturn:
        parser.error(NO_ARGUMENT)


class Command(BaseCommand):
    help = (
        "Create an account. Without --password-stdin a password is made up and printed once. "
        "A password is no argument: other users of the machine could read it. "
        "Exit code 2: the account cannot be as it was asked for."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email")
        parser.add_argument("--admin", action="store_true", help="May do everything.")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the password from standard input, one line; at a terminal it is asked for, not shown.",
        )
        parser.add_argument(
            "--password",
            nargs="?",
            action=RefusePassword,
            help="Refused: the list of processes and the shell's history would show it.",
        )
        parser.add_argument(
            "--quiet", action="store_true", help="Print nothing but a made-up password, for scripts."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = _read_password() if options["password_stdin"] else ""
        if options["password_stdin"] and not given:
            raise refuse_input(fill_in("There is no password on standard input."))
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
            raise to_command_error(exc, about=exc.param or "") from exc
        if options["quiet"]:
            if made_up:
                self.stdout.write(made_up)
            return
        self.stdout.write(
            say_here(
                fill_in("{role} {username} created.", role=user.get_role_display(), username=user.username)
            )
        )
        if made_up:
            self.stdout.write(say_here(fill_in("Password, shown this once: {password}", password=made_up)))


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass(say_here(fill_in("Password: ")))
    return sys.stdin.readline().rstrip("\r\n")

"""`manage.py cancel_switch`: ask for a switch to end."""

from __future__ import annotations

import uuid
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand

from gateway.caller_language import say_here
from gateway.command_errors import to_command_error
from gateway.errors import GatewayError
from gateway.wording import FilledText, fill_in
from modelops.domain.switching.states import UNTOUCHED_STATES, SwitchState
from modelops.management.switch_commands import find_actor
from modelops.models import DEFAULT_SLOT, Switch
from modelops.switching.cancelling import cancel_switch


class Command(BaseCommand):
    help = (
        "End a switch: what served before goes on, or is started again where the switch got too far. "
        "Exit codes: 0: asked for; 2: there is no such switch, or it has ended."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "switch", nargs="?", type=_parse_id, metavar="ID", help="default: the one under way in the slot"
        )
        parser.add_argument("--slot", default=DEFAULT_SLOT, metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            switch = cancel_switch(options["switch"], find_actor(), slot=options["slot"])
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        self.stdout.write(say_here(_describe(switch)))


def _describe(switch: Switch) -> FilledText:
    names = {"profile": switch.to_profile, "id": switch.id}
    if switch.state == SwitchState.CANCELLED:
        return fill_in("The switch to {profile} ({id}) is cancelled; it had not begun.", **names)
    if switch.state in UNTOUCHED_STATES:
        return fill_in(
            "The switch to {profile} ({id}) is being cancelled; what serves goes on serving.", **names
        )
    return fill_in(
        "The switch to {profile} ({id}) is being cancelled; {before} is what it goes back to.",
        before=switch.from_profile or fill_in("nothing"),
        **names,
    )


def _parse_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as exc:
        raise ArgumentTypeError(say_here(fill_in("{text} is no id of a switch", text=repr(text)))) from exc

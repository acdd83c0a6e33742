"""`manage.py move_slot`: have another box serve a slot."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway.caller_language import say_here
from gateway.command_errors import to_command_error
from gateway.errors import GatewayError
from gateway.wording import fill_in
from modelops.management.switch_commands import find_actor
from modelops.models import DEFAULT_SLOT
from modelops.switching.moving import move_slot
from modelops.switching.switchers import describe_box


class Command(BaseCommand):
    help = (
        "Move a slot to another box: one that replaces a box which is gone, or the same one after its Docker "
        "was installed anew and has another id. A switcher has to run there; it starts what the slot should "
        "serve. Engines that still run on the old box stay as they are: end them there with docker rm -f. "
        "Exit codes: 0: moved; 2: there is no such slot or box, or the slot's own box has a switcher."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slot", nargs="?", default=DEFAULT_SLOT, metavar="SLOT")
        parser.add_argument(
            "--to",
            default="",
            metavar="BOX",
            help="The box or its host, as model_status names them; default: the only other one that runs.",
        )
        parser.add_argument(
            "--force", action="store_true", help="Although a switcher runs on the box that the slot is on."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            slot = move_slot(options["slot"], find_actor(), to=options["to"], force=options["force"])
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        self.stdout.write(
            say_here(
                fill_in("{slug} is on {box} now.", slug=slot.slug, box=describe_box(slot.box, slot.box_host))
            )
        )

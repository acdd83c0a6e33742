"""`manage.py slot`: make, list, change and retire slots."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, to_command_error
from gateway.errors import GatewayError
from gateway.wording import FilledText, fill_in, join_texts
from modelops.management.slot_table import format_slots, name_gpus
from modelops.management.switch_commands import find_actor
from modelops.switching.boxes import list_boxes
from modelops.switching.placing import SlotWish, change_slot, create_slot
from modelops.switching.retiring import SlotChange, retire_slot
from modelops.switching.slot_details import describe_slots, serialise_slot_details
from modelops.switching.slot_status import find_slot_statuses


class Command(BaseCommand):
    help = (
        "Make, list, change and retire slots: each is a set of cards of one box that serves one model "
        "at a time, and no card is two slots' (docs/slots.md). Exit codes: 0: done; 2: refused, and nothing "
        "was changed."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="create|list|change|retire")
        create = actions.add_parser("create", help="make a slot, or take a retired one up again")
        _add_name(create)
        _add_wishes(create)
        listing = actions.add_parser("list", help="show the slots, and the cards of each box")
        listing.add_argument("--retired", action="store_true", help="retired slots as well")
        listing.add_argument("--json", action="store_true", help="print JSON, as GET /api/models/slots")
        change = actions.add_parser("change", help="give a slot other cards, or another runtime")
        _add_name(change)
        _add_wishes(change)
        retire = actions.add_parser("retire", help="have nothing serve in a slot any more")
        _add_name(retire)
        retire.add_argument(
            "--stop", action="store_true", help="end its engine first, as running answers end"
        )
        retire.add_argument(
            "--force",
            action="store_true",
            help="at once, for a box that is gone: engines that still run there stay as they are",
        )
        _add_output(retire)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list(options)
            return
        try:
            changed = _carry_out(options)
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        self._report(changed, options)

    def _list(self, options: Mapping[str, Any]) -> None:
        found = describe_slots(with_retired=options["retired"])
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(format_slots(found["slots"], found["boxes"]))

    def _report(self, changed: SlotChange, options: Mapping[str, Any]) -> None:
        [status] = find_slot_statuses([changed.slot])
        details = serialise_slot_details(status, list_boxes())
        if options["json"]:
            content = {"dry_run": options["dry_run"], "changes": dict(changed.changes), "slot": details}
            self.stdout.write(json.dumps(content, indent=2, ensure_ascii=False))
            return
        self.stdout.write(say_here(_describe(options, changed, details)))
        if options["dry_run"]:
            self.stdout.write(say_here(fill_in("Dry run: nothing was changed.")))


def _add_name(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the slot")


def _add_wishes(parser: ArgumentParser) -> None:
    cards = parser.add_mutually_exclusive_group()
    cards.add_argument(
        "--gpus", nargs="+", metavar="GPU", help="its cards, by number or UUID (manage.py slot list)"
    )
    cards.add_argument("--every-gpu", action="store_true", help="every card of its box")
    cards.add_argument(
        "--no-gpus", action="store_true", help="no card: for engines that need none, as the simulated one"
    )
    parser.add_argument(
        "--runtime", metavar="NAME", help="the only runtime that its engines may use; any: each profile's own"
    )
    parser.add_argument(
        "--box", metavar="BOX", help="the box or its host; default: the only one that is heard of"
    )
    _add_output(parser)


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _carry_out(options: Mapping[str, Any]) -> SlotChange:
    actor, dry_run = find_actor(), options["dry_run"]
    match options["action"]:
        case "create":
            return create_slot(options["name"], _to_wish(options), actor, dry_run=dry_run)
        case "change":
            wish = _to_wish(options)
            if wish == SlotWish():
                raise refuse_input(fill_in("Say what to change: see --help."))
            return change_slot(options["name"], wish, actor, dry_run=dry_run)
        case _:
            return retire_slot(
                options["name"], actor, stop=options["stop"], force=options["force"], dry_run=dry_run
            )


def _to_wish(options: Mapping[str, Any]) -> SlotWish:
    gpus = [] if options["every_gpu"] else options["gpus"]
    has_gpus = False if options["no_gpus"] else None if gpus is None else True
    runtime = "" if options["runtime"] == "any" else options["runtime"]
    return SlotWish(gpus=gpus, has_gpus=has_gpus, runtime=runtime, box=options["box"])


def _describe(options: Mapping[str, Any], changed: SlotChange, details: Mapping[str, Any]) -> FilledText:
    name = changed.slot.slug
    match options["action"]:
        case "create":
            return fill_in(
                "Slot {slot}: {gpus}. To serve a model in it: manage.py switch_model PROFILE --slot {slot}",
                slot=name,
                gpus=name_gpus(details),
            )
        case "change":
            if not changed.changes:
                return fill_in("Slot {slot} is like this already.", slot=name)
            what = join_texts(", ", [str(field) for field in changed.changes])
            return fill_in(
                "Slot {slot}: changed {fields}; {gpus}. What serves goes on; the next start keeps to it.",
                slot=name,
                fields=what,
                gpus=name_gpus(details),
            )
        case _:
            return _describe_end(changed)


def _describe_end(changed: SlotChange) -> FilledText:
    name = changed.slot.slug
    if "retired" in changed.changes.get("state", ()):
        return fill_in("Slot {slot} is retired; its history stays.", slot=name)
    return fill_in("Slot {slot} is retired as soon as its engine has ended.", slot=name)

"""`manage.py schedule`: windows of the week in which a slot serves another profile."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand
from django.utils import timezone

from gateway.caller_language import say_here
from gateway.command_errors import to_command_error
from gateway.errors import GatewayError
from gateway.wording import fill_in
from modelops.domain.switching.states import DrainPolicy
from modelops.management.switch_commands import find_actor
from modelops.models import DEFAULT_SLOT, ScheduleWindow
from modelops.switching.schedule_text import DAY_CODES, describe_days, describe_times
from modelops.switching.scheduling import (
    NextChange,
    check_window,
    find_window,
    list_coming,
    list_windows,
    remove_window,
    save_window,
)
from modelops.switching.slots import get_slot


class Command(BaseCommand):
    help = (
        "Windows of the week in which a slot serves another profile than its usual one: list them, add one, "
        "remove one. The switcher switches at their edges. Exit codes: 0: done; 2: wrong usage, or a window "
        "that overlaps another."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list|add|remove")
        listing = actions.add_parser("list", help="The windows there are.")
        listing.add_argument("--slot", default="", help="Of this slot alone.")
        adding = actions.add_parser("add", help="A further window.")
        adding.add_argument("name", metavar="NAME")
        adding.add_argument("--profile", required=True, help="What the slot serves meanwhile.")
        adding.add_argument("--from", dest="begins", required=True, type=read_time, metavar="HH:MM")
        adding.add_argument("--to", dest="ends", required=True, type=read_time, metavar="HH:MM")
        adding.add_argument(
            "--days",
            default="mon-sun",
            type=read_days,
            help="On which it begins, such as mon-fri or sat,sun; default: every day.",
        )
        adding.add_argument(
            "--zone", default=timezone.get_current_timezone_name(), help="Its time zone, such as Asia/Seoul."
        )
        adding.add_argument("--drain-policy", default="", choices=[policy.value for policy in DrainPolicy])
        adding.add_argument("--drain-timeout", type=int, metavar="SECONDS")
        adding.add_argument("--slot", default=DEFAULT_SLOT)
        removing = actions.add_parser("remove", help="Remove a window; its slot goes back to what is usual.")
        removing.add_argument("name", metavar="NAME")
        removing.add_argument("--slot", default=DEFAULT_SLOT)
        for each in (listing, adding):
            each.add_argument(
                "--dry-run", action="store_true", help="Print what would be switched in the next 7 days."
            )

    def handle(self, *args: Any, **options: Any) -> None:
        carry_out = {"list": self._list, "add": self._add, "remove": self._remove}[options["action"]]
        try:
            carry_out(options)
        except GatewayError as exc:
            raise to_command_error(exc) from exc

    def _list(self, options: dict[str, Any]) -> None:
        slots = {options["slot"]: get_slot(options["slot"])} if options["slot"] else {}
        windows = list_windows(slot=options["slot"])
        slots |= {each.slot.slug: each.slot for each in windows}
        if not windows:
            self.stdout.write(say_here(fill_in("There are no windows.")))
        for each in () if options["dry_run"] else windows:
            self.stdout.write(say_here(_describe(each)))
        for slot in slots.values() if options["dry_run"] else ():
            self._show_coming(slot.slug, list_coming(slot, timezone.now()), _find_zone(windows, slot.slug))

    def _add(self, options: dict[str, Any]) -> None:
        slot = get_slot(options["slot"])
        window = ScheduleWindow(
            slot=slot,
            name=options["name"],
            profile=options["profile"],
            weekdays=options["days"],
            begins=options["begins"],
            ends=options["ends"],
            time_zone=options["zone"],
            drain_policy=options["drain_policy"],
            drain_timeout_s=options["drain_timeout"],
        )
        if options["dry_run"]:
            check_window(window)
            coming = list_coming(slot, timezone.now(), also=window)
            self._show_coming(slot.slug, coming, window.time_zone)
            return
        save_window(window, request=find_actor().request)
        self.stdout.write(say_here(_describe(window)))

    def _remove(self, options: dict[str, Any]) -> None:
        window = find_window(options["name"], options["slot"])
        remove_window(window, request=find_actor().request)
        self.stdout.write(say_here(fill_in("{name} is removed.", name=window.name)))

    def _show_coming(self, slot: str, coming: list[NextChange], zone: str) -> None:
        for each in coming:
            shown = f"{each.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
            profile = each.profile or fill_in("nothing")
            text = fill_in("{slot}  {at}  → {profile}", slot=slot, at=shown, profile=profile)
            if each.window:
                text = fill_in("{text}  ({name})", text=text, name=each.window)
            self.stdout.write(say_here(text))


def read_time(text: str) -> time:
    try:
        hours, _, minutes = text.partition(":")
        return time(int(hours), int(minutes))
    except ValueError as exc:
        raise ArgumentTypeError(say_here(fill_in("a time such as 22:00"))) from exc


def read_days(text: str) -> list[int]:
    """`mon-fri`, `sat,sun` or both in one."""
    found: set[int] = set()
    try:
        for part in text.lower().split(","):
            first, _, last = part.strip().partition("-")
            begin = DAY_CODES.index(first)
            end = DAY_CODES.index(last or first)
            found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    except ValueError as exc:
        raise ArgumentTypeError(say_here(fill_in("days such as mon-fri or sat,sun"))) from exc
    return sorted(found)


def _find_zone(windows: Iterable[ScheduleWindow], slot: str) -> str:
    zones = (each.time_zone for each in windows if each.slot.slug == slot)
    return next(zones, timezone.get_current_timezone_name())


def _describe(window: ScheduleWindow) -> str:
    text = fill_in(
        "{slot}  {name}: {days} {times} → {profile}",
        slot=window.slot.slug,
        name=window.name,
        days=describe_days(window.weekdays),
        times=describe_times(window),
        profile=window.profile,
    )
    return text if window.is_active else fill_in("{text}  (not active)", text=text)

"""`manage.py model_status`: what is served, and what is being done about it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand

from gateway.stop_signal import catch_stop_signal
from modelops.management.gpu_arguments import parse_seconds
from modelops.switching.status import serialise_status

NOTHING_SERVED = 3
DEFAULT_PERIOD_S = 1.0
CLEAR_SCREEN = "\x1b[2J\x1b[H"


class Command(BaseCommand):
    help = (
        "Show what each slot serves, the switch under way and the last failure. "
        "Exit code 0: the default slot serves a model; 3: it serves none."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print JSON, as GET /api/models/status; a line with --watch."
        )
        parser.add_argument(
            "--watch",
            type=parse_seconds,
            nargs="?",
            const=DEFAULT_PERIOD_S,
            metavar="SECONDS",
            help=f"Look again and again (every {DEFAULT_PERIOD_S:g} s) until Ctrl-C.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["watch"]:
            status = self._watch(options["watch"], as_json=options["json"])
        else:
            status = serialise_status(for_admin=True)
            indented = json.dumps(status, indent=2, ensure_ascii=False)
            self.stdout.write(indented if options["json"] else describe_status(status))
        if not status["current_profile"]:
            sys.exit(NOTHING_SERVED)

    def _watch(self, period_s: float, *, as_json: bool) -> Mapping[str, Any]:
        clear = CLEAR_SCREEN if self.stdout.isatty() and not as_json else ""
        with catch_stop_signal() as stop:
            while True:
                status = serialise_status(for_admin=True)
                text = json.dumps(status, ensure_ascii=False) if as_json else describe_status(status)
                self.stdout.write(f"{clear}{text}")
                self.stdout.flush()
                if stop.wait(period_s):
                    return status


def describe_status(status: Mapping[str, Any]) -> str:
    return "\n".join(_list_lines(status))


def _list_lines(status: Mapping[str, Any]) -> Iterator[str]:
    for slot in status["slots"]:
        since = f", since {slot['since']}" if slot["since"] else ""
        yield f"{slot['slot']}: {slot['state']}, serves {slot['current_profile'] or 'nothing'}{since}"
        if slot["box"]:
            yield f"  on {slot['box']}"
        if slot["switch"]:
            yield f"  {_describe_switch(slot)}"
        elif slot["detail"]:
            yield f"  {slot['detail']}"
        if slot["waiting"]:
            waiting = slot["waiting"]
            yield f"  then → {waiting['to_profile']}: waits for its turn (switch {waiting['id']})"
        if slot["last_error"]:
            yield from (
                f"  {line}"
                for line in (f"last error: {slot['last_error']['message']}", slot["last_error"]["advice"])
                if line
            )
            yield from (
                f"  - {remedy['title']}" + (f": {remedy['command']}" if remedy["command"] else "")
                for remedy in slot["last_error"]["remedies"]
            )
        if slot["retry_at"]:
            yield f"  next try at {slot['retry_at']}; at once with manage.py switch_model"
    yield f"on {status['hardware']['description']} ({status['hardware']['source']})"
    switcher = status["switcher"]
    if switcher["alive"]:
        yield f"switcher: running on {switcher['host']}"
    else:
        where = f" on {status['slots'][0]['box']}" if status["slots"][0]["box"] else ""
        yield f"switcher: none has been heard of{where}; start one with manage.py run_switcher"
    yield from (f"another switcher, on {notice}" for notice in switcher["notices"])


def _describe_switch(slot: Mapping[str, Any]) -> str:
    switch = slot["switch"]
    parts = [f"{switch['from_profile'] or 'nothing'} → {switch['to_profile']}: {switch['state']}"]
    if slot["phase"] != switch["state"]:
        parts.append(f"phase {slot['phase']}")
    if slot["progress"] is not None:
        parts.append(f"{slot['progress']} %")
    if slot["eta_s"] is not None:
        parts.append(f"about {slot['eta_s']} s left")
    if slot["detail"]:
        parts.append(slot["detail"])
    if switch["cancel_requested"]:
        parts.append("cancel asked for")
    return f"{', '.join(parts)} (switch {switch['id']})"

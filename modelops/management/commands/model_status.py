"""`manage.py model_status`: what is served, and what is being done about it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import BaseCommand

from gateway.caller_language import say_here
from gateway.stop_signal import catch_stop_signal
from gateway.wording import FilledText, fill_in, join_texts
from modelops.domain.switching.names import PHASES, name_phase, name_state
from modelops.management.gpu_arguments import parse_seconds
from modelops.switching.replica_status import say_replica_state
from modelops.switching.slot_status import name_service_state
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
        yield say_here(_describe_slot(slot))
        if slot["box"]:
            yield say_here(fill_in("  on {box}", box=slot["box"]))
        if slot["replicas"]:
            yield say_here(_describe_replicas(slot["replicas"]))
        if slot["switch"]:
            yield f"  {_describe_switch(slot)}"
        elif slot["detail"]:
            yield "  " + say_here(slot["detail"])
        if slot["resting"]:
            yield say_here(_describe_rest(slot["resting"]))
        if slot["waiting"]:
            waiting = slot["waiting"]
            yield say_here(
                fill_in(
                    "  then → {profile}: waits for its turn (switch {id})",
                    profile=waiting["to_profile"],
                    id=waiting["id"],
                )
            )
        if slot["last_error"]:
            yield from (
                "  " + say_here(line)
                for line in (
                    fill_in("last error: {message}", message=slot["last_error"]["message"]),
                    slot["last_error"]["advice"],
                )
                if line
            )
            yield from (
                f"  - {remedy['title']}" + (f": {remedy['command']}" if remedy["command"] else "")
                for remedy in slot["last_error"]["remedies"]
            )
        if slot["retry_at"]:
            yield say_here(
                fill_in("  next try at {at}; at once with manage.py switch_model", at=slot["retry_at"])
            )
    yield say_here(
        fill_in(
            "on {hardware} ({source})",
            hardware=status["hardware"]["description"],
            source=status["hardware"]["source"],
        )
    )
    switcher = status["switcher"]
    if switcher["alive"]:
        yield say_here(fill_in("switcher: running on {host}", host=switcher["host"]))
    else:
        yield say_here(_miss_switcher(status["slots"][0]["box"]))
    yield from (
        say_here(fill_in("another switcher, on {notice}", notice=notice)) for notice in switcher["notices"]
    )


def _describe_rest(resting: Mapping[str, Any]) -> FilledText:
    profile, seconds = resting["profile"], resting["wake_s"]
    if resting["is_asleep"]:
        text = fill_in("  {profile} sleeps; the next request wakes it", profile=profile)
    else:
        text = fill_in("  {profile} was stopped; the next request starts it", profile=profile)
    if seconds is None:
        return text
    return fill_in("{text}, in about {seconds} s", text=text, seconds=f"{seconds:g}")


def _describe_slot(slot: Mapping[str, Any]) -> FilledText:
    names = {
        "slot": slot["slot"],
        "state": name_service_state(slot["state"]),
        "profile": slot["current_profile"] or fill_in("nothing"),
    }
    if not slot["since"]:
        return fill_in("{slot}: {state}, serves {profile}", **names)
    return fill_in("{slot}: {state}, serves {profile}, since {since}", since=slot["since"], **names)


def _describe_replicas(replicas: Mapping[str, Any]) -> FilledText:
    states = [
        fill_in(
            "{name} {state}", name=each["name"] or each["replica"], state=say_replica_state(each["state"])
        )
        for each in replicas["engines"]
    ]
    return fill_in(
        "  {serving} of {wanted} replicas answer: {states}",
        serving=replicas["serving"],
        wanted=replicas["wanted"],
        states=join_texts(", ", states),
    )


def _miss_switcher(box: str | None) -> FilledText:
    if not box:
        return fill_in("switcher: none has been heard of; start one with manage.py run_switcher")
    return fill_in(
        "switcher: none has been heard of on {box}; start one with manage.py run_switcher", box=box
    )


def _name_phase(phase: str) -> FilledText:
    """Of the start-up; before it, what is going on is the switch's state."""
    return name_phase(phase) if phase in PHASES else name_state(phase)


def _describe_switch(slot: Mapping[str, Any]) -> str:
    switch = slot["switch"]
    before = switch["from_profile"] or say_here(fill_in("nothing"))
    parts = [f"{before} → {switch['to_profile']}: {say_here(name_state(switch['state']))}"]
    if slot["phase"] != switch["state"]:
        parts.append(fill_in("phase {phase}", phase=_name_phase(slot["phase"])))
    if slot["progress"] is not None:
        parts.append(f"{slot['progress']} %")
    if slot["eta_s"] is not None:
        parts.append(fill_in("about {seconds} s left", seconds=slot["eta_s"]))
    if slot["detail"]:
        parts.append(slot["detail"])
    if switch["cancel_requested"]:
        parts.append(fill_in("cancel asked for"))
    said = fill_in("{progress} (switch {id})", progress=join_texts(", ", parts), id=switch["id"])
    text: str = say_here(said)
    return text

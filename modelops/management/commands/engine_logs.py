"""`manage.py engine_logs`: the engines' logs, as the switcher kept them."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand

from gateway.command_errors import refuse_input, to_command_error
from gateway.errors import NotFound
from gateway.stop_signal import catch_stop_signal
from gateway.wording import fill_in
from modelops.models import DEFAULT_SLOT, Engine
from modelops.switching.selectors import (
    find_last_piece_id,
    find_newest_engine,
    get_engine,
    read_log_after,
    read_log_tail,
)
from modelops.switching.slots import check_slot_was_there

POLL_S = 0.5


class Command(BaseCommand):
    help = (
        "Show the log of the slot's newest engine, or of the one named. With -f and without --engine it "
        "follows from one engine to the next. Exit code 2: there is no such engine or slot."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
        parser.add_argument("--engine", metavar="NAME", help="name of its container or process")
        parser.add_argument("--tail", type=int, default=100, metavar="N", help="lines to begin with (100)")
        parser.add_argument("--slot", default=DEFAULT_SLOT, metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["tail"] < 0:
            raise refuse_input(fill_in("--tail takes a number of lines"))
        engine = _find_engine(options)
        if engine is None and not options["follow"]:
            message = fill_in(
                "No engine has been started in the slot {slot} yet.", slot=repr(options["slot"])
            )
            raise refuse_input(message)
        # Looked up first: what comes while the tail is read is shown twice rather than never.
        newest_id = find_last_piece_id(options["slot"])
        last_id = (self._show_tail(engine, options["tail"]) if engine else 0) or newest_id
        if options["follow"]:
            self._follow(engine, last_id, options)

    def _show_tail(self, engine: Engine, lines: int) -> int:
        tail, last_id = read_log_tail(engine, lines)
        self._name(engine)
        for line in tail:
            self.stdout.write(line)
        self.stdout.flush()
        return last_id

    def _follow(self, engine: Engine | None, last_id: int, options: Mapping[str, Any]) -> None:
        """Read on from the piece shown last; of other engines what was written since."""
        named = engine if options["engine"] else None
        shown = engine
        with catch_stop_signal() as stop:
            while not stop.is_set:
                for piece in read_log_after(last_id, engine=named, slot=options["slot"]):
                    if piece.engine != shown:
                        shown = piece.engine
                        self._name(shown)
                    self.stdout.write(piece.text, ending="" if piece.text.endswith("\n") else "\n")
                    last_id = piece.pk
                self.stdout.flush()
                stop.wait(POLL_S)

    def _name(self, engine: Engine) -> None:
        self.stdout.write(f"==> {engine.name} ({engine.profile}, {engine.get_state_display()}) <==")


def _find_engine(options: Mapping[str, Any]) -> Engine | None:
    try:
        if options["engine"]:
            return get_engine(options["engine"])
        check_slot_was_there(options["slot"])
        return find_newest_engine(options["slot"])
    except NotFound as exc:
        raise to_command_error(exc) from exc

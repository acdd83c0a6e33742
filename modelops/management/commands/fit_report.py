"""`manage.py fit_report`: what good starts measured beside what was expected, or as lines to send in."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from gateway.caller_language import say_here
from gateway.columns import measure_columns, pad
from gateway.command_errors import refuse_input, report_failure, to_command_error
from gateway.errors import NotFound
from gateway.wording import fill_in
from modelops.domain.fit.measured_run import name_as_estimate
from modelops.domain.fit.report_text import list_start_lines
from modelops.domain.fit.shared_runs import NotShareable
from modelops.fit.sharing import list_good_starts, share_start
from modelops.models import Engine
from modelops.switching.selectors import get_engine


class Command(BaseCommand):
    help = (
        "Show what the last good start, or the engine named, measured beside what the fit check expected. "
        "With --share, print it as one anonymous JSON line, to be sent in and scored by calibrate. "
        "Exit code 2: there is no such start, or it cannot be told."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("engine", nargs="?", help="Name of its container or process.")
        which.add_argument("--all", action="store_true", help="All good starts, the newest first.")
        parser.add_argument("--share", action="store_true", help="Print lines that name nobody.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            engines = _choose_engines(options)
        except DatabaseError as exc:
            message = fill_in("engines cannot be read (run manage.py migrate): {problem}", problem=exc)
            raise report_failure(message) from exc
        if options["share"]:
            self._share(engines)
            return
        for engine in engines:
            self._compare(engine)

    def _share(self, engines: Iterable[Engine]) -> None:
        """Those that cannot be told are named on stderr; having none to print is an error."""
        seen: set[str] = set()
        for engine in engines:
            try:
                line = share_start(engine)
            except NotShareable as exc:
                reason = fill_in("{engine}: not shared: {reason}", engine=engine.name, reason=exc.wording)
                self.stderr.write(say_here(reason))
                continue
            if line["id"] not in seen:
                seen.add(line["id"])
                self.stdout.write(json.dumps(line, ensure_ascii=True))
        if not seen:
            raise refuse_input(fill_in("There is no start that can be shared."))

    def _compare(self, engine: Engine) -> None:
        head = fill_in(
            "{engine} ({profile}), {day}:",
            engine=engine.name,
            profile=engine.profile,
            day=f"{engine.created_at:%Y-%m-%d}",
        )
        self.stdout.write(say_here(head))
        measured = name_as_estimate(engine.actual or {})
        rows = [
            (say_here(line.label), say_here(line.expected), say_here(line.measured))
            for line in list_start_lines(engine.estimate or {}, measured)
        ]
        heads = ("", say_here(fill_in("expected")), say_here(fill_in("measured")))
        widths = [max(measure_columns(row[column]) for row in (heads, *rows)) for column in range(3)]
        for row in (heads, *rows):
            self.stdout.write(
                f"  {pad(row[0], widths[0])}  {pad(row[1], -widths[1])}  {pad(row[2], -widths[2])}"
            )


def _choose_engines(options: Mapping[str, Any]) -> list[Engine]:
    starts = list_good_starts()
    if options["all"]:
        return list(starts)
    if options["engine"] is None:
        newest = starts.first()
        if newest is None:
            raise refuse_input(fill_in("No engine has come to serve yet."))
        return [newest]
    try:
        engine = get_engine(options["engine"])
    except NotFound as exc:
        raise to_command_error(exc) from exc
    if engine.actual is None or engine.ready_at is None:
        raise refuse_input(fill_in("{engine} told no sizes: it never came to serve.", engine=engine.name))
    return [engine]

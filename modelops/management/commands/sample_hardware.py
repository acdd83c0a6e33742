"""`manage.py sample_hardware`: writes the history of the GPUs. The one process that reads them."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import close_old_connections

from gateway.command_errors import report_failure
from gateway.stop_signal import catch_stop_signal
from gateway.wording import fill_in
from modelops.hardware.nvml import read_hardware
from modelops.hardware.processes import find_descendants
from modelops.hardware.sampling import ChangeLog, HistoryBound, record_reading
from modelops.management.gpu_arguments import add_own_pid, parse_count, parse_hours, parse_seconds

log = structlog.get_logger()


class Command(BaseCommand):
    help = "Read the GPUs of this machine again and again and store what was read, until SIGTERM or Ctrl-C."
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--interval",
            type=parse_seconds,
            default=10.0,
            metavar="SECONDS",
            help="Time from reading to reading (default 10).",
        )
        parser.add_argument("--once", action="store_true", help="Store one reading and end.")
        parser.add_argument(
            "--keep", type=parse_count, default=720, help="Readings kept of each machine (default 720)."
        )
        parser.add_argument(
            "--keep-hours", type=parse_hours, default=24, help="Hours they are kept at most (default 24)."
        )
        add_own_pid(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        bound = HistoryBound(samples=options["keep"], age=timedelta(hours=options["keep_hours"]))
        if options["once"]:
            try:
                record_reading(read_hardware(find_descendants(options["own_pid"])), bound=bound)
            except DatabaseError as exc:
                raise report_failure(
                    fill_in("The reading could not be stored: {problem}", problem=exc)
                ) from exc
            return
        self._run(options["interval"], options["own_pid"], bound)

    def _run(self, interval_s: float, own_pids: list[int], bound: HistoryBound) -> None:
        changes = ChangeLog()
        with catch_stop_signal() as stop:
            while not stop.is_set:
                reading = read_hardware(find_descendants(own_pids))
                changes.note(reading)
                try:
                    close_old_connections()
                    record_reading(reading, bound=bound)
                except DatabaseError as exc:
                    # The database may be away for a while; the next reading finds it again.
                    log.warning("hardware_sample_not_stored", error=str(exc))
                stop.wait(interval_s)
        log.info("hardware_sampling_stopped")

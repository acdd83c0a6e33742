"""`manage.py gpu_status`: the GPUs of this machine, as they are now or as they were sampled."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from gateway.caller_language import say_here
from gateway.stop_signal import catch_stop_signal
from gateway.wording import fill_in
from modelops.hardware import HardwareReading, list_problems
from modelops.hardware.nvml import read_hardware
from modelops.hardware.processes import find_descendants
from modelops.hardware.sampling import latest_readings, load_history
from modelops.hardware.table import format_history, format_reading
from modelops.management.gpu_arguments import add_own_pid, parse_seconds
from modelops.switching.switchers import list_present

NO_USABLE_GPU = 3
RECENT_S = 300.0
"""Older readings say nothing of now."""
CLEAR_SCREEN = "\x1b[2J\x1b[H"


class Command(BaseCommand):
    help = (
        "Show memory, load, temperature, power and processes of each GPU, and what to do about problems. "
        "Exit code 0: there is a GPU to use; 3: there is none."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print JSON: with --watch one line a reading."
        )
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--watch", type=parse_seconds, metavar="SECONDS", help="Read again and again until Ctrl-C."
        )
        source.add_argument(
            "--history", action="store_true", help="Show what sample_hardware stored; reads no GPU."
        )
        add_own_pid(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["history"]:
            newest = self._show_history(as_json=options["json"])
        elif options["watch"]:
            newest = self._watch(options["watch"], options["own_pid"], as_json=options["json"])
        else:
            newest = self._show_now(options["own_pid"], as_json=options["json"])
        if newest is None or not newest.usable_gpus:
            sys.exit(NO_USABLE_GPU)

    def _show_now(self, own_pids: list[int], *, as_json: bool) -> HardwareReading:
        """The GPUs of this machine; where none is seen from here, as in web's container, the switchers'."""
        reading = read_hardware(find_descendants(own_pids))
        others = {} if reading.gpus else read_elsewhere()
        if as_json:
            newest = next(iter(others.values()), reading)
            seen_by = {"seen_by": next(iter(others), socket.gethostname())}
            self.stdout.write(dump_reading(newest, indent=2, more=seen_by))
            return newest
        for host, other in others.items():
            heading = fill_in("No GPU is seen from here. As the switcher on {host} sees them:", host=host)
            self.stdout.write(f"{say_here(heading)}\n\n{format_reading(other)}")
        if others:
            return next(iter(others.values()))
        self.stdout.write(format_reading(reading))
        if not reading.gpus and (host := find_other_switcher()):
            self.stdout.write(
                say_here(
                    fill_in(
                        "\nGPUs are read by the switcher, which runs on {host} and has reported none. To ask "
                        "there: docker compose exec switcher python manage.py gpu_status",
                        host=host,
                    )
                )
            )
        return reading

    def _watch(self, period_s: float, own_pids: list[int], *, as_json: bool) -> HardwareReading:
        clear = CLEAR_SCREEN if self.stdout.isatty() and not as_json else ""
        with catch_stop_signal() as stop:
            while True:
                reading = read_hardware(find_descendants(own_pids))
                self.stdout.write(dump_reading(reading) if as_json else f"{clear}{format_reading(reading)}\n")
                self.stdout.flush()
                if stop.wait(period_s):
                    return reading

    def _show_history(self, *, as_json: bool) -> HardwareReading | None:
        history = load_history()
        if as_json:
            entries = [{"host": entry.host, **entry.reading.to_json()} for entry in history]
            self.stdout.write(json.dumps(entries, indent=2, ensure_ascii=False))
        elif history:
            self.stdout.write(format_history((entry.host, entry.reading) for entry in history))
        else:
            self.stdout.write(
                say_here(
                    fill_in("Nothing is stored yet: run `manage.py sample_hardware` where the GPUs are.")
                )
            )
        return history[-1].reading if history else None


def read_elsewhere() -> dict[str, HardwareReading]:
    """By host, what switchers have read lately of machines with GPUs; nothing without the database."""
    with contextlib.suppress(DatabaseError):
        return {host: each for host, each in latest_readings(max_age_s=RECENT_S).items() if each.gpus}
    return {}


def find_other_switcher() -> str:
    """The host of a switcher that runs elsewhere; empty where none does."""
    with contextlib.suppress(DatabaseError):
        own = socket.gethostname()
        return next((each.host for each in list_present() if each.host != own), "")
    return ""


def dump_reading(
    reading: HardwareReading, *, indent: int | None = None, more: Mapping[str, Any] | None = None
) -> str:
    """The reading with every problem in one list, those of single GPUs and of taken memory included."""
    problems = [problem.to_json() for problem in list_problems(reading)]
    content = {**reading.to_json(), **(more or {}), "problems": problems}
    return json.dumps(content, indent=indent, ensure_ascii=False)

"""`manage.py run_switcher`: the process that starts and stops engines. On each box one of them acts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway.conf import get_config
from gateway.stop_signal import catch_stop_signal
from gateway.wording import fill_in
from modelops.switcher.local_shutdown import end_local_engines
from modelops.switcher.loop import Switcher


class Command(BaseCommand):
    help = (
        "Carry out switches, keep what should serve serving, and record what the GPUs do, until SIGTERM or "
        "Ctrl-C. Engines keep running when it ends; the next one adopts them. Several may run: one "
        "acts, and only for the slots of its own box (docs/switching.md)."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--end-engines",
            action="store_true",
            help="End the engines that run as processes of this machine along with the switcher.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        with catch_stop_signal() as stop:
            Switcher(config).run(stop)
            if options["end_engines"]:
                end_local_engines(config, reason=fill_in("the gateway was stopped"))

"""`manage.py run_maintenance`: the process that runs `prune` each day."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from gateway.maintenance.daily import run_daily
from gateway.stop_signal import catch_stop_signal


class Command(BaseCommand):
    help = (
        "Run `prune` when its last run was a day ago, until SIGTERM or Ctrl-C. Docker Compose has it as the "
        "service `maintenance`; any number may run, as one of them prunes at a time."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def handle(self, *args: Any, **options: Any) -> None:
        with catch_stop_signal() as stop:
            run_daily(stop)

"""`manage.py run_switcher`: the process that starts and stops engines. Any number may run; one acts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from gateway.conf import get_config
from modelops.stop_signal import catch_stop_signal
from modelops.switcher.loop import Switcher


class Command(BaseCommand):
    help = (
        "Carry out switches, keep what should serve serving, and record what the GPUs do, until SIGTERM or "
        "Ctrl-C. Engines keep running when it ends; the next one adopts them. Several may run: one acts."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with catch_stop_signal() as stop:
            Switcher(get_config()).run(stop)

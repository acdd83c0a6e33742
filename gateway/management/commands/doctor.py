"""`manage.py doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway.command_errors import ACTION_FAILED
from gateway.conf import get_config
from gateway.doctor.checkup import check_up
from gateway.doctor.findings import VantagePoint
from gateway.doctor.table import format_checkup


class Command(BaseCommand):
    help = (
        "Check the database, Redis, Docker, GPUs, disks, images, settings, proxies and processes, and say"
        " what "
        "to do about each problem. Exit code 0: no problem was found; 1: there are some."
    )
    requires_system_checks: list[str] = []  # it runs those that matter by itself, and says what they mean

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print JSON, in English and with stable ids.")
        parser.add_argument(
            "--url",
            default="",
            metavar="URL",
            help="Where people reach the gateway: it is asked from outside, and what arrived is judged.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        checkup = check_up(VantagePoint(config=get_config(), url=options["url"]))
        if options["json"]:
            self.stdout.write(json.dumps(checkup.to_json(), indent=2, ensure_ascii=False))
        else:
            self.stdout.write(format_checkup(checkup))
        if checkup.has_problem:
            sys.exit(ACTION_FAILED)

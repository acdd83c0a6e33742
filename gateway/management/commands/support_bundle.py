"""`manage.py support_bundle`: a redacted zip for whoever is asked for help."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure
from gateway.conf import get_config
from gateway.doctor.bundle import write_bundle
from gateway.doctor.checkup import check_up
from gateway.doctor.findings import VantagePoint
from gateway.wording import fill_in


class Command(BaseCommand):
    help = (
        "Write a zip with what the doctor finds, versions, settings, the last switches, logs of engines and "
        "our own errors to a new file. Secrets are redacted, and nobody's messages are in it."
    )
    requires_system_checks: list[str] = []  # what is broken is what it is for

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The file to write; it must not exist.")
        parser.add_argument(
            "--with-names",
            action="store_true",
            help="Leave names of accounts in, with who asked for switches and why.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        target: Path = options["file"]
        if target.exists():
            raise refuse_input(fill_in("{file} exists. A bundle replaces nothing.", file=target))
        try:
            write_bundle(
                target, check_up(VantagePoint(config=get_config())), with_names=options["with_names"]
            )
        except OSError as exc:
            raise report_failure(fill_in("{file} was not written: {error}", file=target, error=exc)) from exc
        self.stdout.write(
            say_here(
                fill_in(
                    "{file}: {size} bytes. Look it over before you send it.",
                    file=target,
                    size=target.stat().st_size,
                )
            )
        )

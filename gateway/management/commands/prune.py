"""`manage.py prune`: remove what no rule and no setting keeps any more, everywhere."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from gateway.caller_language import say_here
from gateway.command_errors import report_failure
from gateway.maintenance.pruning import AlreadyPruning, prune
from gateway.wording import fill_in


class Command(BaseCommand):
    help = (
        "Remove for good what is kept no longer: conversations, files and stored responses by their rules, "
        "ended sessions and API keys, usage, lines of the audit trail, and switches with their engines' logs "
        "(docs/retention.md). Safe to repeat, in small transactions while the gateway runs; for a daily job."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and remove nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry_run = options["dry_run"]
        try:
            result = prune(timezone.now(), is_dry_run=is_dry_run)
        except AlreadyPruning as exc:
            raise report_failure(fill_in("Another run goes on: this one did nothing.")) from exc
        self.stdout.write(say_here(fill_in("Would be removed:") if is_dry_run else fill_in("Removed:")))
        for figure in result.figures:
            line = fill_in("  {what}: {count}", what=figure.what, count=figure.count)
            self.stdout.write(say_here(line))
        if result.failures:
            problems = "; ".join(f"{name}: {exc}" for name, exc in result.failures.items())
            raise report_failure(fill_in("Not done: {problems}", problems=problems))

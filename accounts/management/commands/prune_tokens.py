"""`manage.py prune_tokens`: forget sessions and API keys that ended long ago."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from accounts.api_keys import prune_keys
from accounts.pruning import ENDED_DAYS
from accounts.sessions import prune_sessions
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input
from gateway.wording import fill_in


class Command(BaseCommand):
    help = "Delete sessions and API keys that ended more than --days ago. Safe to repeat; for a daily job."
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=ENDED_DAYS, help=f"Default {ENDED_DAYS}.")
        parser.add_argument("--dry-run", action="store_true", help="Count, and delete nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["days"] <= 36_500:
            raise refuse_input(fill_in("--days: expected 0 to 36500"))
        older_than, is_dry_run = timedelta(days=options["days"]), options["dry_run"]
        sessions = prune_sessions(older_than=older_than, is_dry_run=is_dry_run)
        keys = prune_keys(older_than=older_than, is_dry_run=is_dry_run)
        done = fill_in("{sessions} sessions and {keys} API keys deleted.", sessions=sessions, keys=keys)
        if is_dry_run:
            done = fill_in(
                "{sessions} sessions and {keys} API keys would be deleted.", sessions=sessions, keys=keys
            )
        self.stdout.write(say_here(done))

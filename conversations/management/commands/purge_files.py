"""`manage.py purge_files`: remove files that nothing refers to any more."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from conversations.files.purging import purge_lost_bytes, purge_unused_files
from gateway.conf import get_config

LOST_AFTER = timedelta(days=1)
"""Longer than any upload takes."""


class Command(BaseCommand):
    help = (
        "Delete files older than UNUSED_FILE_DAYS that no message refers to, and those of accounts that are "
        "gone. Safe to repeat; for a daily job."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and delete nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        now, is_dry_run = timezone.now(), options["dry_run"]
        before = now - timedelta(days=get_config().unused_file_days)
        files = purge_unused_files(before=before, is_dry_run=is_dry_run)
        lost = purge_lost_bytes(before=now - LOST_AFTER, is_dry_run=is_dry_run)
        verb = "would be deleted" if is_dry_run else "deleted"
        self.stdout.write(f"{files} files that no message refers to and {lost} without a row {verb}.")

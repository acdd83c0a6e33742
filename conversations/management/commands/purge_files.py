"""`manage.py purge_files`: remove files that no message refers to any more."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from conversations.files.storing import purge_unused_files
from gateway.conf import get_config


class Command(BaseCommand):
    help = (
        "Delete files older than UNUSED_FILE_DAYS that no message refers to. Safe to repeat; for a daily job."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and delete nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - timedelta(days=get_config().unused_file_days)
        removed = purge_unused_files(before=before, is_dry_run=options["dry_run"])
        self.stdout.write(f"{removed} files {'would be deleted' if options['dry_run'] else 'deleted'}.")

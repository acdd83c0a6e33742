"""`manage.py purge_conversations`: remove what was deleted, and what the retention rules no longer keep."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from conversations.retention import purge


class Command(BaseCommand):
    help = (
        "Remove for good: conversations that were deleted longer ago than DELETED_CONVERSATION_DAYS, those "
        "in which nothing was said for as long as the retention rule of their owner's role says (pinned and "
        "archived ones are no exception), files that no message has referred to for UNUSED_FILE_DAYS, and "
        "those of accounts that are gone. Safe to repeat; for a daily job."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and remove nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry_run = options["dry_run"]
        done = purge(timezone.now(), is_dry_run=is_dry_run)
        verb = "would be removed" if is_dry_run else "removed"
        for each in done.removed:
            counts = f"{each.conversations} conversations with {each.messages} messages"
            self.stdout.write(f"{each.policy}: {counts} {verb}.")
        self.stdout.write(f"Files that no message refers to: {done.files} ({done.file_bytes} bytes) {verb}.")
        self.stdout.write(
            f"Files of accounts that are gone, and of broken uploads: {done.lost_files} {verb}."
        )

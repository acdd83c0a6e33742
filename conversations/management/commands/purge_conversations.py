"""`manage.py purge_conversations`: remove what was deleted, and what the retention rules no longer keep."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from conversations.retention import purge
from gateway.caller_language import say_here
from gateway.wording import fill_in


class Command(BaseCommand):
    help = (
        "Remove for good: conversations that were deleted longer ago than DELETED_CONVERSATION_DAYS, those "
        "in which nothing was said for as long as the retention rule of their owner's role says (pinned and "
        "archived ones are no exception), stored responses that are older than STORED_RESPONSE_DAYS or than "
        "that rule says, files that no message has referred to for UNUSED_FILE_DAYS, and those of accounts "
        "that are gone. Safe to repeat; for a daily job."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count, and remove nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        is_dry_run = options["dry_run"]
        done = purge(timezone.now(), is_dry_run=is_dry_run)
        verb = fill_in("would be removed") if is_dry_run else fill_in("removed")
        for each in done.removed:
            counts = fill_in(
                "{conversations} conversations with {messages} messages",
                conversations=each.conversations,
                messages=each.messages,
            )
            self.stdout.write(
                say_here(fill_in("{policy}: {counts} {verb}.", policy=each.policy, counts=counts, verb=verb))
            )
        self.stdout.write(
            say_here(
                fill_in(
                    "Files that no message refers to: {files} ({file_bytes} bytes) {verb}.",
                    files=done.files,
                    file_bytes=done.file_bytes,
                    verb=verb,
                )
            )
        )
        self.stdout.write(
            say_here(
                fill_in(
                    "Stored responses of /v1/responses: {responses} {verb}.",
                    responses=done.responses,
                    verb=verb,
                )
            )
        )
        self.stdout.write(
            say_here(
                fill_in(
                    "Files of accounts that are gone, and of broken uploads: {lost_files} {verb}.",
                    lost_files=done.lost_files,
                    verb=verb,
                )
            )
        )

"""`manage.py import_conversations FILE --user NAME`: an export becomes an account's conversations."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from conversations.management.named_owners import find_owner
from conversations.portability.importing import import_file
from conversations.portability.readers import ImportSource
from conversations.portability.report import ImportReport
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, to_command_error
from gateway.errors import GatewayError
from gateway.wording import FilledText, fill_in


class Command(BaseCommand):
    help = (
        "Import an export of this product, ChatGPT, Open WebUI or LibreChat into an account. What it "
        "has already is left as it is: safe to repeat."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSON, JSON lines, or a zip archive.")
        parser.add_argument("--user", required=True, help="User name.")
        parser.add_argument("--format", choices=ImportSource.values, help="Default: found by its shape.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be taken.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_owner(options["user"])
        source = ImportSource(options["format"]) if options["format"] else None
        try:
            with options["file"].open("rb") as file:
                report = import_file(user.pk, file, source=source, is_dry_run=options["dry_run"])
        except OSError as exc:
            raise refuse_input(f"{options['file']}: {exc.strerror}.") from exc
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        self._tell(report)

    def _tell(self, report: ImportReport) -> None:
        self.stdout.write(say_here(_count(report)))
        for item in report.skipped:
            self.stdout.write(
                say_here(fill_in("Left out: {name}: {reason}", name=item["name"], reason=item["reason"]))
            )
        if report.skipped_count > len(report.skipped):
            self.stdout.write(
                say_here(
                    fill_in(
                        "Left out: {count} more.",
                        count=report.skipped_count - len(report.skipped),
                    )
                )
            )


def _count(report: ImportReport) -> FilledText:
    counts = {
        "conversations": report.conversations,
        "messages": report.messages,
        "files": report.files,
        "known": report.already_here,
    }
    if report.is_dry_run:
        return fill_in(
            "{conversations} conversations with {messages} messages and {files} new files would be taken; "
            "{known} were here already.",
            **counts,
        )
    return fill_in(
        "{conversations} conversations with {messages} messages and {files} new files taken; {known} were "
        "here already.",
        **counts,
    )

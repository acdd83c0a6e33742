"""`manage.py export_conversations FILE --user NAME`: an account's conversations as one file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from conversations.management.named_owners import find_owner
from conversations.portability.exporting import ExportFormat, export
from conversations.portability.selection import Selection
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure
from gateway.wording import fill_in


class Command(BaseCommand):
    help = "Export all conversations of an account, but not its trash. The file must not exist yet."
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--user", required=True, help="User name.")
        parser.add_argument(
            "--format", choices=ExportFormat.values, help="Default: as the file's name ends, else json."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_owner(options["user"])
        path: Path = options["file"]
        ending = path.suffix.removeprefix(".")
        name = options["format"] or (ending if ending in ExportFormat else ExportFormat.JSON.value)
        try:
            opened = path.open("xb")
        except OSError as exc:
            raise refuse_input(f"{path}: {exc.strerror}.") from exc
        try:
            with opened as file:
                path.chmod(0o600)
                for piece in export(Selection(owner_id=user.pk), ExportFormat(name)):
                    file.write(piece)
        except OSError as exc:
            raise report_failure(f"{path}: {exc.strerror}.") from exc
        self.stdout.write(say_here(fill_in("{file}: {size} bytes.", file=path, size=path.stat().st_size)))

"""`manage.py backup`: a copy of the database, made while it is being used."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure
from gateway.database.backups import BackupExists, BackupFailed, back_up
from gateway.wording import fill_in


class Command(BaseCommand):
    help = (
        "Write a copy of the database to a new file: of SQLite a database, of PostgreSQL a dump for "
        "pg_restore. The gateway may run meanwhile. docs/backup.md says how to restore it."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The file to write; it must not exist.")

    def handle(self, *args: Any, **options: Any) -> None:
        target: Path = options["file"]
        try:
            back_up(target)
        except BackupExists as exc:
            raise refuse_input(str(exc)) from exc
        except BackupFailed as exc:
            raise report_failure(str(exc)) from exc
        self.stdout.write(say_here(fill_in("{file}: {size} bytes.", file=target, size=target.stat().st_size)))

"""`manage.py backup`: everything that is worth keeping in one file, made while the gateway runs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gateway.backups.archive import Manifest
from gateway.backups.backing_up import back_up, write_archive
from gateway.backups.failures import BackupExists, BackupFailed
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure
from gateway.wording import fill_in

STANDARD_OUTPUT = "-"


class Command(BaseCommand):
    help = (
        "Write all tables and attached files to one new file, of SQLite or PostgreSQL, as they are at one "
        "moment. The gateway may run meanwhile. `manage.py restore` puts them back (docs/backup.md)."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="The file to write, which must not exist; - writes to the standard output."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_streamed = options["file"] == STANDARD_OUTPUT
        if is_streamed and sys.stdout.isatty():
            raise refuse_input(fill_in("An archive is nothing for a terminal: send the output to a file."))
        try:
            if is_streamed:
                manifest = write_archive(sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                manifest = back_up(Path(options["file"]))
        except BackupExists as exc:
            raise refuse_input(_text_of(exc)) from exc
        except BackupFailed as exc:
            raise report_failure(_text_of(exc)) from exc
        except OSError as exc:
            raise report_failure(fill_in("The backup was not written: {problem}", problem=exc)) from exc
        lines = self.stderr if is_streamed else self.stdout
        for line in _describe(manifest):
            lines.write(say_here(line), style_func=str)


def _text_of(exc: Exception) -> str:
    """The message itself, which can be translated."""
    return exc.args[0]  # type: ignore[no-any-return]


def _describe(manifest: Manifest) -> list[str]:
    lines: list[str] = [
        fill_in(
            "Backed up: {rows} rows of {tables} tables, {files} attached files ({bytes} bytes).",
            rows=manifest.rows,
            tables=len(manifest.tables),
            files=len(manifest.files),
            bytes=manifest.file_bytes,
        ),
        fill_in(
            "Not in it, and needed with it: {secrets}. Keep these secrets somewhere else.",
            secrets=", ".join(manifest.secrets),
        ),
    ]
    if manifest.missing_files:
        lines.append(
            fill_in("{count} attached files are in no storage any more.", count=len(manifest.missing_files))
        )
    return lines

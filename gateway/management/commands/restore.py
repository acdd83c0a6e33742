"""`manage.py restore`: the content of a backup in the place of the database's."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from gateway.backups.archive import Archive
from gateway.backups.backing_up import list_secrets
from gateway.backups.failures import RestoreFailed, RestoreRefused
from gateway.backups.restoring import check_restore, rebuild_search_index, restore
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure
from gateway.wording import fill_in

STANDARD_INPUT = "-"


class Command(BaseCommand):
    help = (
        "Restore a file of `manage.py backup`, on SQLite or PostgreSQL, whichever it was made on. Everything "
        "is checked first; then all is restored or nothing. Web processes and switchers must be stopped "
        "(docs/backup.md)."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="The file; - reads the standard input.")
        parser.add_argument(
            "--yes", action="store_true", help="Replace what the database has: without, it must be empty."
        )
        parser.add_argument("--dry-run", action="store_true", help="Check everything, and change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with _open(options["file"]) as stream:
                self._restore(Archive(stream), may_replace=options["yes"], is_dry_run=options["dry_run"])
        except RestoreRefused as exc:
            raise refuse_input(exc.args[0]) from exc
        except RestoreFailed as exc:
            raise report_failure(exc.args[0]) from exc
        except OSError as exc:
            raise refuse_input(
                fill_in("{file} cannot be read: {problem}", file=options["file"], problem=exc)
            ) from exc
        except DatabaseError as exc:
            raise report_failure(fill_in("The database cannot be read: {problem}", problem=exc)) from exc

    def _restore(self, archive: Archive, *, may_replace: bool, is_dry_run: bool) -> None:
        target = check_restore(archive, may_replace=may_replace)
        manifest = archive.manifest
        self._say(
            fill_in(
                "The archive is whole: version {version}, of {made_at}, {rows} rows of {tables} tables, "
                "{files} attached files.",
                version=manifest.version,
                made_at=manifest.made_at,
                rows=manifest.rows,
                tables=len(manifest.tables),
                files=len(manifest.files),
            )
        )
        if missing := sorted(set(manifest.secrets) - set(list_secrets())):
            self._say(
                fill_in(
                    "Not set here, and set where the backup was made: {secrets}.", secrets=", ".join(missing)
                )
            )
        if is_dry_run:
            self._say(fill_in("Nothing is in the way of a restore; nothing was changed."))
            return
        restore(archive, target)
        self._say(fill_in("Restored, and compared with the archive: every table has the same rows."))
        self._say(fill_in("The index of searches is being built."))
        rebuild_search_index()
        self._say(
            fill_in(
                "It works with the secrets of then: {secrets}. Sessions that were ended since are open "
                "again; `manage.py revoke_sessions --all` ends all of them.",
                secrets=", ".join(manifest.secrets),
            )
        )

    def _say(self, text: str) -> None:
        self.stdout.write(say_here(text))


@contextlib.contextmanager
def _open(file: str) -> Iterator[IO[bytes]]:
    """The archive, to be read from anywhere in it: a stream is kept in a file without a name."""
    if file != STANDARD_INPUT:
        with Path(file).open("rb") as stream:
            yield stream
        return
    # In a container the folder for such files is in memory.
    folder = default_storage.location if isinstance(default_storage, FileSystemStorage) else None
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.seek(0)
        yield kept

"""`manage.py backup`: one state of everything in a file, made while others write."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import AuditEvent, Via
from gateway.backups.archive import Archive
from gateway.backups.backing_up import back_up, write_archive
from gateway.backups.failures import ArchiveDamaged, BackupFailed, RestoreFailed
from gateway.backups.schema import DERIVED_TABLES
from gateway.tests.admin_rows import add_row_of_each

pytestmark = pytest.mark.django_db(transaction=True)

FLIPS = 150


@pytest.fixture(autouse=True)
def file_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"


@contextlib.contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond that; Python gets an error, as when the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def archive_of_now() -> bytes:
    stream = io.BytesIO()
    write_archive(stream)
    return stream.getvalue()


def write_pairs(number: int) -> None:
    """Two rows in one transaction, of which no backup has one."""
    with transaction.atomic():
        for half in "ab":
            AuditEvent.objects.create(
                via=Via.SYSTEM, action="pair", target_type=half, target_id=str(number), target_label="x" * 200
            )


def test_backup_beside_a_writer_is_one_state_of_all_tables(tmp_path: Path) -> None:
    is_over, has_written = threading.Event(), threading.Event()

    def write_without_end() -> None:
        number = 1000
        try:
            while not is_over.is_set():
                write_pairs(number)
                number += 1
                has_written.set()
        finally:
            connection.close()

    for number in range(300):
        write_pairs(number)
    writer = threading.Thread(target=write_without_end)
    writer.start()
    has_written.wait()
    try:
        manifest = back_up(tmp_path / "copy.backup")
        written_until = AuditEvent.objects.count()
    finally:
        is_over.set()
        writer.join()

    with zipfile.ZipFile(tmp_path / "copy.backup") as archive:
        lines = archive.read("tables/accounts_auditevent.jsonl").splitlines()
    columns = next(entry for entry in manifest.tables if entry.table == "accounts_auditevent").columns
    place = columns.index("target_id")
    numbers = [json.loads(line)[place] for line in lines]
    assert 602 <= len(numbers) <= written_until
    assert {numbers.count(number) for number in numbers} == {2}
    assert not AuditEvent.objects.exclude(action="pair").exists()


def test_backup_names_the_secrets_it_needs_and_holds_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_row_of_each(0)
    target = tmp_path / "copy.backup"

    call_command("backup", str(target))

    with zipfile.ZipFile(target) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
        manifest = json.loads(archive.read("manifest.json"))
    assert {"SECRET_KEY", "JWT_SECRET"} <= set(manifest["secrets"])
    assert not any(letter.encode() * 40 in everything for letter in "sj")
    assert "JWT_SECRET" in capsys.readouterr().out
    assert target.stat().st_mode & 0o777 == 0o600
    kept = {entry["table"]: entry["rows"] for entry in manifest["tables"]}
    of_code = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert of_code - set(kept) == DERIVED_TABLES
    assert (kept["accounts_user"], kept["conversations_message"], kept["modelops_switch"]) == (1, 1, 1)
    with pytest.raises(CommandError, match="replaces nothing") as refused:
        call_command("backup", str(target))
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="was not written"):
        call_command("backup", str(tmp_path / "no" / "copy"))


def test_every_damaged_byte_is_noticed_or_changes_nothing() -> None:
    add_row_of_each(0)
    whole = archive_of_now()
    content = contents_of(whole)

    harmless = 0
    for position in range(0, len(whole), max(1, len(whole) // FLIPS)):
        damaged = whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
        try:
            assert contents_of(damaged) == content
            harmless += 1
        except RestoreFailed:
            pass

    # Dates and rights of parts, which nobody reads.
    assert harmless < FLIPS / 3
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ArchiveDamaged):
            contents_of(whole[:length])


def contents_of(archived: bytes) -> list[bytes]:
    """What a restore would read, after the check that it begins with."""
    archive = Archive(io.BytesIO(archived))
    archive.check()
    contents = []
    for entry in archive.manifest.tables:
        with archive.open(entry.member) as part:
            contents.append(part.read())
    return contents


def test_full_disk_leaves_no_backup_behind(tmp_path: Path) -> None:
    for number in range(500):
        write_pairs(number)

    with full_disk(4096), pytest.raises(BackupFailed, match="was not written"):
        back_up(tmp_path / "copy.backup")

    assert list(tmp_path.iterdir()) == []


def test_archive_is_written_to_a_stream_that_cannot_seek(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_row_of_each(0)
    written: list[bytes] = []

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, piece: Any) -> int:
            written.append(bytes(piece))
            return len(piece)

    stdout = io.TextIOWrapper(io.BufferedWriter(Pipe()))
    monkeypatch.setattr(sys, "stdout", stdout)
    call_command("backup", "-")

    assert contents_of(b"".join(written)) == contents_of(archive_of_now())
    assert "JWT_SECRET" in capsys.readouterr().err

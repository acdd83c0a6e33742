"""`manage.py restore`: the content of a backup, all of it or nothing."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, DailyUsage, User
from accounts.tests.rest import client_of
from conversations.files.storing import store_upload
from conversations.models import Conversation, Message, StoredFile
from conversations.tests.trees import chain, say
from gateway.backups import restoring
from gateway.backups.archive import Archive, Manifest
from gateway.backups.backing_up import back_up
from gateway.backups.failures import RestoreFailed
from gateway.backups.restoring import check_restore, rebuild_search_index, restore
from gateway.backups.schema import Schema
from gateway.conf import BASE_DIR
from gateway.database.rows import is_postgresql
from gateway.tests.admin_rows import add_row_of_each
from gateway.tests.databases import SQLITE_FILE, Stores, own_database
from gateway.tests.forked import run_python
from gateway.tests.test_backup import full_disk
from modelops.models import ModelProfile, WebPresence

IN_PROCESS = pytest.mark.django_db(transaction=True)
DOCUMENT = b"A document that somebody attached."


@pytest.fixture(autouse=True)
def file_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture
def mina(db: None) -> User:
    """Whose rows are in every table, with texts and JSON of all kinds."""
    add_row_of_each(0)
    mina = User.objects.create_user("mina", "mina@example.com", "password-of-mina")
    conversation, messages = chain(mina, 6)
    stored, _ = store_upload(mina.pk, io.BytesIO(DOCUMENT), name="note.txt")
    parts = [{"type": "document", "file_id": str(stored.pk)}, {"z": 1.0, "a": [1e-7, None, "\n\t'\"\\N"]}]
    say(conversation, messages[-1], "user", "유니콘\t\\N\n'\"\\. 🦄 zeppelin", parts=parts)
    usage = DailyUsage.objects.get()
    usage.latency_ms = 2**40
    usage.save()
    return mina


def dump(target: Path) -> Manifest:
    return back_up(target)


def put_back(source: Path, *, may_replace: bool = True) -> None:
    with source.open("rb") as stream:
        archive = Archive(stream)
        restore(archive, check_restore(archive, may_replace=may_replace))
        rebuild_search_index()


def digests(manifest: Manifest) -> dict[str, tuple[int, str]]:
    return {
        entry.table: (entry.rows, entry.digest)
        for entry in manifest.tables
        if entry.table != "accounts_auditevent"
    }


@IN_PROCESS
def test_everything_comes_back_and_works(mina: User, tmp_path: Path) -> None:
    """Also what was written since is gone: the database is as it was then."""
    Permission.objects.first().delete()  # type: ignore[union-attr]
    before = dump(tmp_path / "before.backup")
    file = StoredFile.objects.get(owner=mina)
    Message.objects.filter(owner=mina).update(content="damaged")
    User.objects.exclude(pk=mina.pk).update(is_active=False)
    User.objects.create(username="later")
    ModelProfile.objects.all().delete()
    default_storage.delete(file.storage_name)
    for name in ("first", "second"):
        add = client_of(mina).post("/api/prompts", {"title": name, "content": name}, "application/json")
        assert add.status_code == 201

    put_back(tmp_path / "before.backup")

    after = dump(tmp_path / "after.backup")
    assert digests(after) == digests(before)
    assert [entry.sha256 for entry in after.files] == [entry.sha256 for entry in before.files]
    with default_storage.open(file.storage_name) as restored:
        assert restored.read() == DOCUMENT
    found = client_of(mina).get("/api/conversations/search", {"q": "zeppelin"}).json()
    assert len(found["data"]) == 1, found
    event = AuditEvent.objects.get(action="database_restored")
    assert event.changes["rows"] == before.rows
    DailyUsage.objects.create(user=mina, day=datetime.now(UTC).date(), model="after")
    conversation = Conversation.objects.get(owner=mina)
    say(conversation, conversation.head, "assistant", "It goes on.")
    assert User.objects.get(pk=mina.pk).check_password("password-of-mina")


@IN_PROCESS
def test_what_is_in_the_way_is_said_before_anything_is_written(
    mina: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "x.backup"
    dump(source)
    messages = Message.objects.count()

    def refusal(*options: str) -> str:
        with pytest.raises(CommandError) as refused:
            call_command("restore", str(source), *options)
        return str(refused.value)

    assert "not empty: it has 2 accounts and 2 conversations" in refusal()
    running = WebPresence.objects.create(host="box", pid=4711)
    assert "runs on this database (process 4711 on box)" in refusal("--yes")
    running.delete()
    with monkeypatch.context() as later:
        later.setattr(restoring, "read_schema", lambda: Schema(frozenset({("chat", "0001_later")})))
        assert "belongs to a later version" in refusal("--yes")
    rewrite(source, lambda manifest: manifest.migrations.append(("accounts", "9999_later")))
    assert "which is later than this one" in refusal("--yes")
    rewrite(source, lambda manifest: setattr(manifest, "format", 2))
    assert "only a later version reads" in refusal("--yes")
    source.write_bytes(b"no archive")
    assert "damaged, or no archive" in refusal("--yes")
    source.unlink()
    assert "cannot be read" in refusal("--yes")
    assert (Message.objects.count(), AuditEvent.objects.filter(action="database_restored").count()) == (
        messages,
        0,
    )


def rewrite(source: Path, change: Any) -> None:
    """The same archive with another manifest."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = msgspec.json.decode(parts.pop("manifest.json"), type=Manifest)
    change(manifest)
    with zipfile.ZipFile(source, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        archive.writestr("manifest.json", msgspec.json.encode(manifest))


@IN_PROCESS
def test_failure_in_the_middle_changes_nothing(
    mina: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that is not the same as the original, at the last of its comparisons."""
    dump(tmp_path / "x.backup")
    rewrite(tmp_path / "x.backup", lambda manifest: setattr(manifest.tables[-1], "digest", "1" * 64))
    file = StoredFile.objects.get(owner=mina)
    default_storage.delete(file.storage_name)
    Message.objects.filter(owner=mina).update(content="said since")

    with pytest.raises(RestoreFailed, match="Nothing was restored: table modelops_switchevent"):
        put_back(tmp_path / "x.backup")

    assert set(Message.objects.filter(owner=mina).values_list("content", flat=True)) == {"said since"}
    assert not default_storage.exists(file.storage_name)


@IN_PROCESS
def test_full_disk_changes_nothing(mina: User, tmp_path: Path) -> None:
    """Neither where the files are, nor where the database is; another machine's disk is not ours to fill."""
    store_upload(mina.pk, io.BytesIO(b"more than the disk has room for " * 400), name="large.txt")
    dump(tmp_path / "x.backup")
    Message.objects.filter(owner=mina).update(content="said since")
    files = StoredFile.objects.filter(owner=mina)
    problems = []
    for is_file_missing in (True, False):
        if is_file_missing:
            for file in files:
                default_storage.delete(file.storage_name)
        elif is_postgresql():
            break
        else:
            put_back(tmp_path / "x.backup")
            Message.objects.filter(owner=mina).update(content="said since")
        with full_disk(4096), pytest.raises(RestoreFailed) as failure:
            put_back(tmp_path / "x.backup")
        problems.append(str(failure.value))

        assert set(Message.objects.filter(owner=mina).values_list("content", flat=True)) == {"said since"}
        assert {default_storage.exists(file.storage_name) for file in files} == {not is_file_missing}

    assert all(problem.startswith("Nothing was restored: ") for problem in problems), problems


@IN_PROCESS
def test_dry_run_checks_all_and_changes_nothing(
    mina: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = dump(tmp_path / "x.backup")
    rewrite(tmp_path / "x.backup", lambda written: written.secrets.append("API_KEY_SECRET"))
    User.objects.create(username="later")

    call_command("restore", str(tmp_path / "x.backup"), "--yes", "--dry-run")

    printed = capsys.readouterr().out
    assert f"{manifest.rows} rows" in printed
    assert "Not set here, and set where the backup was made: API_KEY_SECRET.\n" in printed
    assert User.objects.filter(username="later").exists()


def archive_of_older_version(settings: dict[str, str], target: Path) -> str:
    """A backup of the database before its latest migration, which is applied again and answered."""
    names = sorted(path.stem for path in (BASE_DIR / "modelops" / "migrations").glob("0*.py"))
    for command in (
        ("migrate", "modelops", names[-2], "--verbosity", "0"),
        ("backup", str(target)),
        ("migrate", "--verbosity", "0"),
    ):
        done = run_python("manage.py", *command, environment=settings)
        assert done.returncode == 0, done.stderr
    return names[-1]


KILLED_BEFORE_ITS_END = """
import os, signal, sys
from django.core.management import execute_from_command_line
from gateway.backups import restoring
restoring.reset_sequences = lambda models: os.kill(os.getpid(), signal.SIGKILL)
execute_from_command_line(["manage.py", "restore", sys.argv[1], "--yes"])
"""


def ask(settings: dict[str, str], statement: str) -> list[Any]:
    """What a statement answers from outside, on the database of these settings."""
    session: Any
    if url := settings.get("DATABASE_URL"):
        session = psycopg.connect(url)
    else:
        session = sqlite3.connect(Path(settings["GATEWAY_DATA_DIR"]) / SQLITE_FILE)
    with contextlib.closing(session), session:
        return list(session.execute(statement).fetchall())


def test_archive_of_an_older_version_is_migrated_and_a_killed_restore_changes_nothing(
    stores: Stores, tmp_path: Path
) -> None:
    archive, script = tmp_path / "older.backup", tmp_path / "killed.py"
    script.write_text(KILLED_BEFORE_ITS_END)
    with own_database(stores, tmp_path) as settings:
        latest = archive_of_older_version(settings, archive)
        ask(settings, "UPDATE accounts_user SET username = 'later' WHERE username = 'demo' RETURNING id")

        killed = run_python(str(script), str(archive), environment=settings)
        after_kill = ask(settings, "SELECT username FROM accounts_user ORDER BY username")
        restored = run_python("manage.py", "restore", str(archive), "--yes", environment=settings)
        after_restore = ask(settings, "SELECT username FROM accounts_user ORDER BY username")
        again = run_python("manage.py", "backup", str(tmp_path / "again.backup"), environment=settings)

    assert (killed.returncode, after_kill) == (-9, [("admin",), ("later",)]), killed.stderr
    assert restored.returncode == 0, restored.stderr
    assert after_restore == [("admin",), ("demo",)]
    assert again.returncode == 0, again.stderr
    with archive.open("rb") as old, (tmp_path / "again.backup").open("rb") as new:
        before, after = Archive(old).manifest, Archive(new).manifest
    assert set(after.migrations) - set(before.migrations) == {("modelops", latest)}
    assert digests(after)["accounts_user"] == digests(before)["accounts_user"]


@pytest.mark.services
@IN_PROCESS
def test_archive_moves_from_postgresql_to_sqlite_and_back(
    mina: User, embedded_stores: Stores, tmp_path: Path
) -> None:
    of_postgres, of_sqlite = tmp_path / "postgres.backup", tmp_path / "sqlite.backup"
    (tmp_path / "embedded").mkdir()
    before = dump(of_postgres)
    with own_database(embedded_stores, tmp_path / "embedded") as settings:
        for command in (("restore", str(of_postgres), "--yes"), ("backup", str(of_sqlite))):
            done = run_python("manage.py", *command, environment=settings)
            assert done.returncode == 0, done.stderr

    put_back(of_sqlite)

    after = dump(tmp_path / "after.backup")
    assert digests(after) == digests(before)
    assert after.files == before.files

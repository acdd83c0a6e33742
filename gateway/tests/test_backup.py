"""`manage.py backup`: its copies are whole, and restored as docs/backup.md says."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from gateway.tests.databases import SQLITE_FILE, Stores, own_database
from gateway.tests.forked import run_python
from gateway.tests.services import find_postgres


def with_client_programs(settings: dict[str, str]) -> dict[str, str]:
    return settings | {"PATH": f"{find_postgres()}{os.pathsep}{settings['PATH']}"}


def write_without_end(path: Path, is_over: threading.Event) -> None:
    """Commit rows in pairs, of which a whole copy has none without the other."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as session:
        session.execute("PRAGMA journal_mode=WAL")
        session.execute("CREATE TABLE pairs (number, half)")
        number = 0
        while not is_over.is_set():
            session.executemany("INSERT INTO pairs VALUES (?, ?)", [(number, 0), (number, 1)])
            session.commit()
            number += 1


def test_copy_of_sqlite_that_is_being_written_is_whole_and_starts(
    embedded_stores: Stores, tmp_path: Path
) -> None:
    is_over = threading.Event()
    (tmp_path / "data").mkdir()
    (tmp_path / "restored").mkdir()
    copy = tmp_path / "copy.sqlite3"
    with own_database(embedded_stores, tmp_path / "data") as settings:
        writer = threading.Thread(target=write_without_end, args=(tmp_path / "data" / SQLITE_FILE, is_over))
        writer.start()
        try:
            done = run_python("manage.py", "backup", str(copy), environment=settings)
        finally:
            is_over.set()
            writer.join()
        assert done.returncode == 0, done.stderr

        copy.rename(tmp_path / "restored" / SQLITE_FILE)
        restored = settings | {"GATEWAY_DATA_DIR": str(tmp_path / "restored")}
        check = run_python("manage.py", "migrate", "--check", environment=restored)

    assert check.returncode == 0, check.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "restored" / SQLITE_FILE)) as session:
        assert session.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert session.execute("SELECT count(*) FROM accounts_user").fetchone() == (2,)
        halves = session.execute("SELECT count(*) FROM pairs GROUP BY number").fetchall()
    assert set(halves) <= {(2,)}


@pytest.mark.services
def test_dump_of_postgresql_is_restored_by_pg_restore(stores: Stores, tmp_path: Path) -> None:
    dump = tmp_path / "gateway.dump"
    with own_database(stores, tmp_path) as settings:
        done = run_python("manage.py", "backup", str(dump), environment=with_client_programs(settings))
        assert done.returncode == 0, done.stderr
        with psycopg.connect(settings["DATABASE_URL"], autocommit=True) as session:
            session.execute("DELETE FROM accounts_session")
            session.execute("DROP TABLE accounts_user CASCADE")

        argv: list[str | Path] = [find_postgres() / "pg_restore", "--clean", "--if-exists", "--no-owner"]
        subprocess.run([*argv, f"--dbname={settings['DATABASE_URL']}", dump], check=True, capture_output=True)

        assert run_python("manage.py", "migrate", "--check", environment=settings).returncode == 0
        with psycopg.connect(settings["DATABASE_URL"]) as session:
            assert session.execute("SELECT count(*) FROM accounts_user").fetchone() == (2,)


@pytest.mark.services
def test_missing_pg_dump_is_said_with_the_way_out(stores: Stores, tmp_path: Path) -> None:
    url = urlsplit(stores.database_url).geturl()
    settings = {"PATH": str(tmp_path), "DATABASE_URL": url, "GATEWAY_DATA_DIR": str(tmp_path)}
    secrets = {"SECRET_KEY": "s" * 40, "JWT_SECRET": "j" * 40, "GATEWAY_ENV_FILE": os.devnull}

    done = run_python("manage.py", "backup", str(tmp_path / "x.dump"), environment=settings | secrets)

    assert done.returncode == 1
    assert "pg_dump is not installed here" in done.stderr
    assert "docker compose exec -T postgres pg_dump" in done.stderr
    assert [path for path in tmp_path.iterdir() if "x.dump" in path.name] == []


def test_backup_is_for_its_owner_and_replaces_nothing(embedded_stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    copy = tmp_path / "copy.sqlite3"
    with own_database(embedded_stores, tmp_path / "data") as settings:
        first, second = (run_python("manage.py", "backup", str(copy), environment=settings) for _ in range(2))

    assert first.returncode == 0, first.stderr
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (second.returncode, "exists" in second.stderr) == (2, True)


def test_backup_into_a_folder_that_does_not_exist_is_an_error(
    embedded_stores: Stores, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    with own_database(embedded_stores, tmp_path / "data") as settings:
        done = run_python("manage.py", "backup", str(tmp_path / "no" / "copy"), environment=settings)

    assert done.returncode == 1
    assert "was not written" in done.stderr
    assert "Traceback" not in done.stderr

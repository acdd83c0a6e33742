"""The servers of a test run start wherever the project is."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from gateway.tests import services
from gateway.tests.needs import NeedMissing
from gateway.tests.services import find_postgres, start_services


@pytest.fixture
def closed_folder(tmp_path: Path) -> Path:
    """A folder like root's home, which nobody else may enter, with PostgreSQL's programs in it."""
    installation = find_postgres().parent
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, tmp_path / "package" / "pg" / part, symlinks=True)
    for libraries in installation.parent.parent.glob("*.libs"):
        shutil.copytree(libraries, tmp_path / libraries.name)
    tmp_path.chmod(0o700)
    return tmp_path / "package" / "pg" / "bin"


def test_postgres_runs_from_a_folder_that_nobody_else_may_enter(
    closed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "find_postgres", lambda: closed_folder)

    with start_services() as running, psycopg.connect(running.database_url) as session:
        answer = session.execute("SELECT 1").fetchone()

    assert answer == (1,)


def test_a_server_that_does_not_start_is_said_to_be_missing_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = tmp_path / "redis-server"
    redis.write_text("#!/bin/sh\necho no such luck; exit 1\n")
    redis.chmod(0o755)
    monkeypatch.setattr(services, "find_redis", lambda: redis)

    with pytest.raises(NeedMissing, match="no such luck"), start_services():
        pass

"""Who else on the machine may look into the data folder: nobody."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.data_folder import make_private
from gateway.tests.forked import run_python


@pytest.fixture(params=[0o000, 0o022, 0o027], ids=["umask 000", "umask 022", "umask 027"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_new_data_folder_and_its_database_are_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {"GATEWAY_ENV_FILE": os.devnull, "GATEWAY_DATA_DIR": str(folder)}

    # One app's tables make the file as all of them would.
    done = run_python("manage.py", "migrate", "sessions", "--skip-checks", environment=inherited | own)
    mode_at_first = mode_of(folder)
    again = run_python("manage.py", "check", environment=inherited | own)

    assert done.returncode == again.returncode == 0, done.stderr + again.stderr
    # Nobody gets at the file that SQLite made; the next start gives it rights of its own.
    assert mode_at_first == mode_of(folder) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"gateway.sqlite3", "secrets.json"}
    assert [path.name for path in files if mode_of(path) & 0o077] == []


def test_open_data_folder_of_an_older_version_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "engines").mkdir(parents=True)
    (folder / "gateway.sqlite3").touch()
    (folder / "secrets.json").touch()
    folder.chmod(0o755)

    make_private(folder)

    assert mode_of(folder) == 0o700


def test_folder_that_holds_what_is_not_ours_keeps_its_rights(tmp_path: Path) -> None:
    """Such as `/tmp`, or somebody's home: closing it would lock others out of what is theirs."""
    (tmp_path / "secrets.json").touch()
    (tmp_path / "somebody-elses").touch()
    tmp_path.chmod(0o755)

    make_private(tmp_path)

    assert mode_of(tmp_path) == 0o755


def test_tighter_rights_are_left_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)

    make_private(folder)

    assert mode_of(folder) == 0o500

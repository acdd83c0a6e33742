"""`manage.py export_conversations` and `import_conversations`."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from conversations.models import Conversation
from conversations.tests.portability.files import file_folder
from conversations.tests.trees import chain

__all__ = ["file_folder"]

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_what_one_account_exports_another_one_imports(mina: User, juno: User, tmp_path: Path) -> None:
    chain(mina, 3)
    path = tmp_path / "all.zip"

    run("export_conversations", str(path), "--user", "mina")
    told = run("import_conversations", str(path), "--user", "juno", "--dry-run")
    assert not Conversation.objects.filter(owner=juno).exists()
    done = run("import_conversations", str(path), "--user", "juno")

    assert told.startswith("1 conversations with 3 messages and 0 new files would be taken; 0 were here")
    assert "3 messages and 0 new files taken" in done
    assert Conversation.objects.get(owner=juno).messages.count() == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_left_out_is_told(mina: User, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"mapping": {}, "title": "Empty"}, {"title": "Odd"}]))

    told = run("import_conversations", str(path), "--user", "mina")

    assert "Left out: Odd: It is no conversation of a known format." in told


@pytest.mark.parametrize("command", ["export_conversations", "import_conversations"])
def test_unknown_account_is_refused(command: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no account"):
        run(command, str(tmp_path / "a.json"), "--user", "nobody")


def test_file_that_exists_is_not_written_over(mina: User, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("mine")

    with pytest.raises(CommandError, match="File exists"):
        run("export_conversations", str(path), "--user", "mina")

    assert path.read_text() == "mine"

"""`manage.py support_bundle`: what is in the zip, and what of it is nobody's business."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from conversations.models import Conversation
from gateway.conf import get_config
from gateway.doctor.bundle import SECTIONS, write_bundle
from gateway.doctor.bundle_logs import LEFT_OUT, hide_requests, is_serious
from gateway.doctor.checkup import Checkup
from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from modelops.models import Engine, EngineLog, Slot, Switch

SECRETS = {
    "API key": "sk-gw-abcdefgh-0123456789abcdefghijklmnop",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s1gnatureOf-the_token",
    "token of the hub": "hf_abcdefghijklmnopqrstuvwxyz",
    "key of a storage": "AKIAABCDEFGHIJKLMNOP",
    "password in a URL": "urlpassword1",
    "password after its name": "namedpassword2",
    "bearer": "opaquebearer3",
}
QUOTES = (
    "key {API key}; {JWT} {token of the hub} {key of a storage} postgres://u:{password in a URL}@db/x "
    "password={password after its name} Authorization: Bearer {bearer}"
).format_map(SECRETS)
OWN: dict[str, Any] = {
    "jwt_secret": "own-jwt-secret-0123456789-0123456789",
    "secret_key": "own-secret-key-0123456789-0123456789",
    "postgres_password": "own/postgres@password",
    "vllm_api_key": "own-engine-key",
    "hf_token": "own-hub-token",
    "redis_url": "redis://:own-redis-password@redis:6379/0",
    "admin_password": "own-admin-password",
    "file_storage_options": '{"x": "own-storage-option"}',
}
PERSON, WORDS = "mina.park", "what she asked the model"


@pytest.fixture
def checkup(tmp_path: Path) -> Checkup:
    """An installation with a secret in every place where one could get to."""
    config = replace(get_config(), data_dir=str(tmp_path), docker_host=f"unix://{tmp_path}/none", **OWN)
    user = User.objects.create(username=PERSON, email="mina@example.org")
    Conversation.objects.create(owner=user, title=WORDS)
    slot, _made = Slot.objects.get_or_create(slug="default")
    engine = Engine.objects.create(
        slot=slot,
        generation=77,
        name="vllm-default-77",
        profile="p",
        runtime="docker",
        spec={},
        arguments=["serve", "x", f"--api-key={OWN['vllm_api_key']}"],
        environment={"WANDB_API_KEY": "own-environment-value"},
    )
    EngineLog.objects.create(
        engine=engine, text=f"loading\nReceived request 1: prompt: '{WORDS}'\nfailed for {PERSON}: {QUOTES}\n"
    )
    Switch.objects.create(
        slot=slot,
        to_profile="p",
        state="rejected",
        via="api",
        actor=user,
        actor_name=PERSON,
        reason=f"{PERSON} wants it",
        drain_timeout_s=1,
        drain_policy="cut",
        ended_at=datetime.now(UTC),
        root_cause={"code": "image_missing", "message": QUOTES, "token": "unmarked-secret"},
    )
    lines = [{"level": "info", "event": "quiet"}, {"level": "error", "event": "failed", "error": QUOTES}]
    (tmp_path / "web.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return Checkup(VantagePoint(config=config), datetime.now(UTC), (Finding("x", FindingKind.OK, QUOTES),))


def read_zip(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


@pytest.mark.django_db
def test_no_secret_name_or_message_is_in_the_zip(checkup: Checkup, tmp_path: Path) -> None:
    target = tmp_path / "bundle.zip"

    write_bundle(target, checkup, with_names=False)

    files = read_zip(target)
    everything = "\n".join(files.values())
    planted = [*SECRETS.values(), *OWN.values(), "own-redis-password", "own-storage-option"]
    planted += ["own-environment-value", "unmarked-secret", PERSON, "mina@example.org", WORDS]
    assert [value for value in planted if value in everything] == []
    assert not [name for name in files if "missing" in name]
    assert "image_missing" in files["switches.json"]
    assert "WANDB_API_KEY" in files["engines.json"]
    assert files["engines/vllm-default-77.log"].splitlines()[:2] == ["loading", LEFT_OUT]
    assert '"failed"' in files["logs/web.log"]
    assert "quiet" not in files["logs/web.log"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    for name, text in files.items():
        if name.endswith(".json"):
            json.loads(text)
    settings: dict[str, Any] = json.loads(files["settings.json"])
    assert settings["HF_TOKEN"] == "[set]"
    # A number of statistics on PostgreSQL, which have not seen this transaction.
    assert "conversations_conversation" in json.loads(files["counts.json"])


@pytest.mark.django_db
def test_names_are_there_when_they_are_asked_for(checkup: Checkup, tmp_path: Path) -> None:
    target = tmp_path / "bundle.zip"

    write_bundle(target, checkup, with_names=True)

    files = read_zip(target)
    assert f"{PERSON} wants it" in files["switches.json"]
    assert WORDS not in "\n".join(files.values())


@pytest.mark.django_db
def test_section_that_fails_costs_no_other(
    checkup: Checkup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_options: Any) -> None:
        raise RuntimeError(f"broken, {QUOTES}")

    monkeypatch.setattr("gateway.doctor.bundle_rows.list_switches", fail)
    away = Finding("database", FindingKind.PROBLEM, "away")

    write_bundle(tmp_path / "one.zip", checkup, with_names=False)
    write_bundle(tmp_path / "two.zip", replace(checkup, findings=(away,)), with_names=False)

    one, two = read_zip(tmp_path / "one.zip"), read_zip(tmp_path / "two.zip")
    assert one["switches.json.missing.txt"].startswith("RuntimeError: broken")
    assert SECRETS["API key"] not in one["switches.json.missing.txt"]
    assert "engines.json" in one
    assert {name for name in two if "missing" not in name} == {
        "README.txt",
        "logs/web.log",
        *(each.name for each in SECTIONS if not each.needs_database and not each.name.endswith("/")),
    }


def test_lines_that_may_quote_a_request_are_marked() -> None:
    lines = [
        "INFO Received request chatcmpl-1: prompt: 'x', params: …",
        "ERROR body {'messages': [{'role': 'user', 'content': 'x'}]}",
        "INFO Avg prompt throughput: 12.1 tokens/s",
    ]

    assert hide_requests(lines) == [LEFT_OUT, LEFT_OUT, lines[2]]


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ('{"level": "warning", "event": "x"}', True),
        ('{"level": "info", "event": "error"}', False),
        ("2026-11-30 [error    ] x", True),
        ("2026-11-30 [info     ] x", False),
        ('  File "x.py", line 1', True),
        ("ValueError: x", True),
    ],
)
def test_warnings_errors_and_tracebacks_are_kept(line: str, is_kept: bool) -> None:
    assert is_serious(line) is is_kept


@pytest.mark.django_db
def test_bundle_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "there.zip"
    target.write_text("mine")

    with pytest.raises(CommandError) as caught:
        call_command("support_bundle", str(target), stdout=io.StringIO())

    assert caught.value.returncode == 2
    assert target.read_text() == "mine"

"""How every command of ours ends when it cannot do what it was asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from accounts.models import User
from gateway.command_errors import to_command_error
from gateway.conf import BASE_DIR
from gateway.errors import DependencyUnavailable, DoesNotFit, GatewayError, NotFound, UpstreamUnavailable
from modelops.models import HardwareProfile
from modelops.tests.management.command_runs import run
from modelops.tests.switch_rows import make_ready, serve

APPS = ("accounts", "conversations", "gateway", "modelops")


@pytest.fixture
def known_names(db: None) -> None:
    """A profile, hardware, an engine in the default slot and an account, each with a name to mistake."""
    make_ready("qwen2-7b")
    serve("qwen2-7b")
    HardwareProfile.objects.create(slug="dual-3090", gpu_name="NVIDIA GeForce RTX 3090", gpu_count=2)
    User.objects.create(username="mina")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["switch_model", "qwen2-7B"], "qwen2-7b"),
        (["switch_model", "qwen2", "--dry-run"], "qwen2-7b"),
        (["switch_model", "qwen2-7b", "--slot", "defualt"], "default"),
        (["check_fit", "qwen-7b"], "qwen2-7b"),
        (["check_fit", "qwen2-7b", "--hardware", "duel-3090"], "dual-3090"),
        (["recommend", "--for", "qwen-7b"], "qwen2-7b"),
        (["recommend", "--hardware", "dual3090"], "dual-3090"),
        (["export_profiles", "qwen-7b"], "qwen2-7b"),
        (["engine_logs", "--engine", "default1"], "default-1"),
        (["engine_logs", "--slot", "defualt"], "default"),
        (["cancel_switch", "--slot", "defualt"], "default"),
        (["move_slot", "defualt"], "default"),
        (["create_api_key", "nina"], "mina"),
        (["revoke_sessions", "Mira"], "mina"),
        (["usage_report", "--user", "mna"], "mina"),
        (["export_conversations", "unused.json", "--user", "nina"], "mina"),
        (["import_conversations", "unused.json", "--user", "nina"], "mina"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_wrong_name_ends_with_2_and_what_was_perhaps_meant(
    known_names: None, arguments: list[str], meant: str
) -> None:
    code, output, errors = run(*arguments)

    assert (code, output) == (2, "")
    assert f"Did you mean {meant}?" in errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["create_api_key", "mina", "--expires-days", "0"],
        ["create_user", "mina"],
        ["createsuperuser", "--noinput", "--username", "mina", "--email", "m@example.com"],
        ["prune_tokens", "--days", "-1"],
        ["revoke_sessions"],
        ["usage_report", "--group-by", "colour"],
        ["export_conversations", "/no/such/folder/file.json", "--user", "mina"],
        ["import_conversations", "/no/such/file.json", "--user", "mina"],
        ["load_profiles", "/no/such/file.yml"],
        ["backup", str(BASE_DIR / "README.md")],
        ["check_fit", "--config", "/no/such/config.json", "--gpu", "RTX 3090"],
        ["engine_logs", "--tail", "-1"],
        ["cancel_switch"],
        ["switch_model", "qwen2-7b", "--reason", "x" * 501],
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_other_wrong_input_ends_with_2(known_names: None, arguments: list[str]) -> None:
    code, _output, errors = run(*arguments)

    assert code == 2
    assert errors


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotFound(), 2), (DoesNotFit(), 2), (DependencyUnavailable(), 1), (UpstreamUnavailable(), 1)],
)
def test_what_the_caller_can_mend_is_2_and_what_he_cannot_is_1(error: GatewayError, code: int) -> None:
    assert to_command_error(error).returncode == code


def test_errors_name_the_argument_that_is_meant() -> None:
    assert str(to_command_error(NotFound("There is none."), about="--for")) == "--for: There is none."


def _list_sources() -> Iterator[Path]:
    for app in APPS:
        yield from (BASE_DIR / app / "management").rglob("*.py")


def test_no_command_leaves_its_exit_code_to_chance() -> None:
    """A bare CommandError ends with 1, whatever the reason: say which of the two it is, or a code."""
    vague = [
        f"{path.name}:{node.lineno}"
        for path in _list_sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "CommandError"
        and "returncode" not in {keyword.arg for keyword in node.keywords}
    ]

    assert vague == []
    assert {"switch_model", "create_user", "backup"} <= set(get_commands())

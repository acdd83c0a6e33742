"""The command line speaks the language of the terminal."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from io import StringIO

import pytest
from django import get_version
from django.core.management import CommandError, call_command
from django.utils import translation

from accounts.models import User
from gateway.command_line import LOCALE_VARIABLES, GatewayCommandLine, find_terminal_language
from gateway.conf import BASE_DIR
from gateway.version import VERSION


@pytest.fixture
def korean_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in LOCALE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    with translation.override("en"):
        yield


def run(name: str, *arguments: str) -> str:
    """What `manage.py …` says, or how it refuses; its database connection stays, which is the test's."""
    output = StringIO()
    command = GatewayCommandLine(["manage.py", name, *arguments]).fetch_command(name)
    try:
        call_command(command, *arguments, stdout=output, stderr=output)
    except (CommandError, SystemExit) as end:
        output.write(str(end))
    return output.getvalue()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.eucKR@hanja"}, "ko"),
        ({"LC_MESSAGES": "ko_KR.UTF-8", "LANG": "en_US.UTF-8"}, "ko"),
        ({"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.UTF-8", "LANG": "ko_KR.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "ko"}, "ko"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "!!"}, "en"),
        ({}, "en"),
    ],
)
def test_language_is_that_of_the_locale(environment: Mapping[str, str], language: str) -> None:
    assert find_terminal_language(environment) == language


@pytest.mark.django_db
@pytest.mark.usefixtures("korean_terminal")
def test_output_is_in_the_language_of_the_terminal() -> None:
    said = run("create_user", "mina")

    assert "mina 계정을 만들었습니다(사용자)." in said
    assert User.objects.filter(username="mina").exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("korean_terminal")
def test_errors_are_in_the_language_of_the_terminal() -> None:
    assert "'nothing-like-it' 프로필이 없습니다." in run("switch_model", "nothing-like-it")


@pytest.mark.parametrize("words", [["--version"], ["version"]])
def test_version_is_ours_and_djangos_and_is_told_without_settings(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no.such.settings")

    GatewayCommandLine(["manage.py", *words]).execute()

    assert capsys.readouterr().out == f"vllm-chat-gateway {VERSION} (Django {get_version()})\n"


def test_version_of_a_command_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    command = GatewayCommandLine(["manage.py", "migrate"]).fetch_command("migrate")

    with pytest.raises(SystemExit):
        command.create_parser("manage.py", "migrate").parse_args(["--version"])

    assert f"vllm-chat-gateway {VERSION} " in capsys.readouterr().out


def test_version_is_the_same_wherever_it_stands() -> None:
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
    assert f"ARG VERSION={VERSION}\n" in (BASE_DIR / "Dockerfile").read_text()


@pytest.mark.usefixtures("korean_terminal")
def test_help_is_in_the_language_of_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    run("gpu_status", "--help")

    shown = " ".join(capsys.readouterr().out.split())
    assert "GPU별 메모리, 부하, 온도, 전력" in shown
    assert "반복해서 읽습니다." in shown


@pytest.mark.django_db
@pytest.mark.usefixtures("korean_terminal")
def test_json_stays_as_programs_know_it() -> None:
    status, _end = json.JSONDecoder().raw_decode(run("model_status", "--json"))

    assert status["state"] == "none"
    assert status["hardware"]["source"] == "no reading yet"


@pytest.mark.usefixtures("korean_terminal")
def test_what_serves_others_writes_its_log_in_english(capsys: pytest.CaptureFixture[str]) -> None:
    run("run_switcher", "--help")

    assert translation.get_language() == "en"
    assert capsys.readouterr().out.isascii()

"""`make env`: a `.env` with which docker-compose.yml comes up."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks.security.base import SECRET_KEY_MIN_LENGTH

from gateway.checks import is_guessable, is_weak_password
from gateway.conf import BASE_DIR
from gateway.new_env import (
    CPU_COMPOSE,
    GPU_COMPOSE,
    EnvUnwritable,
    Machine,
    Wishes,
    complete_env,
    describe_machine,
    list_entries,
    look_at_machine,
    main,
    read_names,
)

NO_GPUS = Machine(docker_gid=998, docker_problem="", has_toolkit=False, cards=0)
TWO_GPUS = NO_GPUS._replace(has_toolkit=True, cards=2)
SIGNING = ("SECRET_KEY", "JWT_SECRET", "API_KEY_SECRET", "POSTGRES_PASSWORD")


def values_of(wishes: Wishes, machine: Machine) -> dict[str, str]:
    return {entry.name: entry.value for entry in list_entries(wishes, machine)}


def make_program(folder: Path, name: str, *lines: str) -> None:
    program = folder / name
    program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    program.chmod(0o755)


def test_file_has_whatever_compose_asks_for() -> None:
    compose = (BASE_DIR / "docker-compose.yml").read_text()

    values = values_of(Wishes(), NO_GPUS)

    assert set(re.findall(r"\$\{(\w+):\?", compose)) == {"POSTGRES_PASSWORD"} < values.keys()
    assert values["DOCKER_GID"] == "998"
    assert (values["GATEWAY_BIND"], values["GATEWAY_PORT"]) == ("127.0.0.1", "8080")


def test_secrets_are_good_and_of_their_own_each_time() -> None:
    first, second = values_of(Wishes(), NO_GPUS), values_of(Wishes(), NO_GPUS)

    for name in SIGNING:
        assert not is_guessable(first[name])
        assert len(first[name]) >= SECRET_KEY_MIN_LENGTH  # else `check --deploy` calls it weak
        assert re.fullmatch(r"[\w-]+", first[name])  # of no meaning to a shell, a URL or compose
    assert not is_weak_password(first["GATEWAY_ADMIN_PASSWORD"])
    made_up = [each[name] for each in (first, second) for name in (*SIGNING, "GATEWAY_ADMIN_PASSWORD")]
    assert len(set(made_up)) == len(made_up)


@pytest.mark.parametrize(
    ("machine", "wish", "compose"),
    [
        (TWO_GPUS, None, GPU_COMPOSE),
        (NO_GPUS, None, CPU_COMPOSE),
        (NO_GPUS._replace(cards=2), None, CPU_COMPOSE),
        (TWO_GPUS, False, CPU_COMPOSE),
        (NO_GPUS, True, GPU_COMPOSE),
    ],
)
def test_services_are_given_the_gpus_that_docker_can_give(
    machine: Machine, wish: bool | None, compose: str
) -> None:
    values = values_of(Wishes(gpus=wish), machine)

    assert values["COMPOSE_FILE"] == compose
    assert all((BASE_DIR / file).is_file() for file in compose.split(":"))


def test_what_is_missing_for_gpus_is_said() -> None:
    said = describe_machine(Wishes(), NO_GPUS._replace(cards=2, docker_problem="docker is not installed"))

    assert said[0] == "Docker cannot be used yet: docker is not installed"
    assert said[1].startswith(
        "Found 2 NVIDIA GPUs, which Docker cannot give to containers. Install the NVIDIA"
    )
    assert said[2] == "A simulated model will answer, and say that it is one."


def test_public_name_behind_tls_is_set_up_for_a_proxy() -> None:
    values = values_of(Wishes(host="chat.example.com", https=True), NO_GPUS)

    assert values["ALLOWED_HOSTS"] == "chat.example.com"
    assert (values["SECURE_COOKIES"], values["TRUSTED_PROXY_HOPS"]) == ("true", "1")


def test_file_is_for_its_owner_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    complete_env(path, list_entries(Wishes(), NO_GPUS))
    before = path.read_bytes()

    written = complete_env(path, list_entries(Wishes(), NO_GPUS))

    assert written == []
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [".env"]


def test_what_a_file_says_stays_and_the_rest_is_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nexport JWT_SECRET='of my own'\n# SECRET_KEY=\nDOCKER_GID=\nLAST=1")

    written = complete_env(path, list_entries(Wishes(), NO_GPUS))

    assert path.read_text().startswith(
        "# mine\nexport JWT_SECRET='of my own'\n# SECRET_KEY=\nDOCKER_GID=\nLAST=1\n# "
    )
    assert {"JWT_SECRET", "DOCKER_GID"}.isdisjoint(entry.name for entry in written)
    assert read_names(path.read_text())["SECRET_KEY"]


def test_dry_run_writes_nothing_and_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".env"

    assert main(["--file", str(path), "--dry-run", "--port", "9000"]) == 0

    shown = read_names(capsys.readouterr().out)
    assert {shown[name] for name in (*SIGNING, "GATEWAY_ADMIN_PASSWORD")} == {"…"}
    assert shown["GATEWAY_PORT"] == "9000"
    assert not path.exists()


def test_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "missing" / ".env"

    with pytest.raises(EnvUnwritable):
        complete_env(path, list_entries(Wishes(), NO_GPUS))

    assert main(["--file", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_machine_is_asked_by_its_own_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(tmp_path, "docker", 'echo \'{"runc": {}, "nvidia": {}}\'')
    make_program(
        tmp_path, "nvidia-smi", "echo 'GPU 0: NVIDIA GeForce RTX 3090 (UUID: GPU-1)'", "echo 'GPU 1: x'"
    )
    (socket := tmp_path / "docker.sock").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    machine = look_at_machine(socket)

    assert machine == Machine(socket.stat().st_gid, "", has_toolkit=True, cards=2)


def test_machine_without_docker_and_driver_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(tmp_path, "docker", "echo 'permission denied: docker.sock' >&2", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))

    machine = look_at_machine(tmp_path / "none")

    assert machine == Machine(None, "permission denied: docker.sock", has_toolkit=False, cards=0)


def test_nothing_needs_to_be_installed_for_it(tmp_path: Path) -> None:
    """Without site-packages; `-I` ignores the environment, so that the folder is named in the program."""
    program = (
        f"import sys; sys.path.insert(0, {str(BASE_DIR)!r}); from gateway.new_env import main; "
        "sys.exit(main(sys.argv[1:]))"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, "--file", ".env", "--no-gpus"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Now: docker compose up -d" in done.stdout
    assert read_names((tmp_path / ".env").read_text())["COMPOSE_FILE"] == CPU_COMPOSE

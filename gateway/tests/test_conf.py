"""The configuration as a whole: what the environment says, and the secrets made up where it is silent."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from gateway.conf import BASE_DIR, GatewayConfig, check_secrets, read_config, with_generated_secrets
from gateway.env import ConfigurationError
from gateway.secrets import load_or_create_secrets

GOOD_SECRETS = {"secret_key": "s" * 40, "jwt_secret": "j" * 40}

RACER = """
import json, sys
from pathlib import Path
from gateway.secrets import load_or_create_secrets
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(load_or_create_secrets(Path(sys.argv[1]))))
"""


def test_empty_environment_gives_the_defaults() -> None:
    assert read_config({}) == GatewayConfig()


def test_values_are_read_with_their_types() -> None:
    config = read_config(
        {
            "DEBUG": "true",
            "JWT_EXPIRE_HOURS": "2",
            "ALLOWED_HOSTS": "a.example,b.example",
            "UPSTREAM_IDLE_TIMEOUT": "1.5",
            "LOG_LEVEL": "warning",
            "METRICS_NETWORKS": "10.0.0.0/8, fd00::/8",
        }
    )

    assert config == GatewayConfig(
        debug=True,
        jwt_expire_hours=2,
        allowed_hosts=("a.example", "b.example"),
        upstream_idle_timeout_s=1.5,
        log_level="WARNING",
        metrics_networks=("10.0.0.0/8", "fd00::/8"),
    )


def test_every_setting_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 40 + "\n")
    (tmp_path / "port").write_text("9000\n")

    config = read_config(
        {"SECRET_KEY_FILE": str(tmp_path / "key"), "GATEWAY_PORT_FILE": str(tmp_path / "port")}
    )

    assert (config.secret_key, config.port) == ("k" * 40, 9000)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("DEBUG", "maybe"),
        ("JWT_ALGORITHM", "none"),
        ("JWT_ALGORITHM", "RS256"),
        ("JWT_EXPIRE_HOURS", "0"),
        ("JWT_REFRESH_DAYS", "366"),
        ("DATABASE_URL", "mysql://host/name"),
        ("REDIS_URL", "localhost:6379"),
        ("CORS_ORIGINS", "chat.example.com"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("GATEWAY_PORT", "65536"),
        ("VLLM_BASE_URL", "127.0.0.1:8000"),
        ("UPSTREAM_CONNECT_TIMEOUT", "0"),
        ("RATE_LIMIT_REQUESTS", "-1"),
        ("RATE_LIMIT_WINDOW", "0"),
        ("LOGIN_RATE", "often"),
        ("LOGIN_RATE", "5/0m"),
        ("MAX_BODY_BYTES", "10"),
        ("METRICS_NETWORKS", "10.0.0.1/8"),
        ("METRICS_NETWORKS", "inside"),
        ("SECURE_COOKIES", "2"),
    ],
)
def test_malformed_setting_is_an_error_that_names_its_variable(name: str, raw: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: ") as caught:
        read_config({name: raw})

    assert caught.value.name == name


@pytest.mark.parametrize("given", ["http://engine:8000", "http://engine:8000/", "http://engine:8000/v1/"])
def test_engine_url_is_its_root_with_or_without_v1(given: str) -> None:
    assert read_config({"VLLM_BASE_URL": given}).engine_url == "http://engine:8000"


def test_engine_url_has_a_default() -> None:
    assert read_config({}).engine_url == "http://127.0.0.1:8000"


def test_every_setting_has_its_own_variable_and_a_help_text() -> None:
    metadata = [item.metadata for item in fields(GatewayConfig)]

    names = [m["name"] for m in metadata]
    assert len(set(names)) == len(names)
    assert [m["name"] for m in metadata if not m["help"].endswith(".")] == []


def test_printed_configuration_shows_no_secret() -> None:
    config = GatewayConfig(
        secret_key="canary-1",
        jwt_secret="canary-2",
        vllm_api_key="canary-3",
        admin_password="canary-4",
        user_password="canary-5",
        database_url="postgres://user:canary-6@host/db",
        redis_url="redis://:canary-7@host:6379/0",
    )

    assert [f"canary-{n}" for n in range(1, 8) if f"canary-{n}" in repr(config)] == []


@pytest.mark.parametrize(
    ("secrets", "name"),
    [
        (GOOD_SECRETS | {"secret_key": ""}, "SECRET_KEY"),
        (GOOD_SECRETS | {"jwt_secret": ""}, "JWT_SECRET"),
        (GOOD_SECRETS | {"secret_key": "s" * 31}, "SECRET_KEY"),
        (GOOD_SECRETS | {"jwt_secret": "j" * 31}, "JWT_SECRET"),
        ({"secret_key": "x" * 40, "jwt_secret": "x" * 40}, "JWT_SECRET"),
    ],
)
def test_missing_short_or_shared_secret_is_refused_by_name(secrets: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        check_secrets(GatewayConfig(**secrets))  # type: ignore[arg-type]


def test_short_secret_is_not_echoed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_secrets(GatewayConfig(secret_key="canary", jwt_secret="j" * 40))

    assert "canary" not in str(caught.value)


def test_secrets_are_measured_in_bytes_not_characters() -> None:
    check_secrets(GatewayConfig(secret_key="열쇠" * 6, jwt_secret="j" * 32))


def test_embedded_gateway_makes_up_its_secrets_once(tmp_path: Path) -> None:
    config = GatewayConfig(data_dir=str(tmp_path / "data"))

    first, second = with_generated_secrets(config), with_generated_secrets(config)

    assert first == second
    check_secrets(first)


def test_given_secret_is_kept_beside_a_made_up_one(tmp_path: Path) -> None:
    config = with_generated_secrets(GatewayConfig(data_dir=str(tmp_path), secret_key="g" * 40))

    assert config.secret_key == "g" * 40
    check_secrets(config)


@pytest.mark.parametrize(
    "stores", [{"database_url": "postgres://host/db"}, {"redis_url": "redis://host:6379/0"}]
)
def test_gateway_with_shared_stores_never_makes_up_secrets(tmp_path: Path, stores: dict[str, str]) -> None:
    config = with_generated_secrets(GatewayConfig(data_dir=str(tmp_path), **stores))  # type: ignore[arg-type]

    assert (config.secret_key, config.jwt_secret) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_secrets_file_is_for_its_owner_only(tmp_path: Path) -> None:
    load_or_create_secrets(tmp_path)

    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_data_folders_have_different_secrets(tmp_path: Path) -> None:
    assert load_or_create_secrets(tmp_path / "a") != load_or_create_secrets(tmp_path / "b")


def test_processes_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / "data")],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"

    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    found = [json.loads(racer.communicate(timeout=20)[0]) for racer in racers]

    assert [racer.returncode for racer in racers] == [0] * 6
    assert found == [found[0]] * 6
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["secrets.json"]

"""What the system checks refuse before the gateway starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from gateway.checks import check_production_settings, check_shared_state, check_sign_in
from gateway.conf import GatewayConfig

UseConfig = Callable[[GatewayConfig], None]

OIDC: dict[str, Any] = {
    "oidc_issuer": "https://id.example.com",
    "oidc_client_id": "gateway",
    "oidc_client_secret": "s" * 40,
}


@pytest.fixture
def use_config(monkeypatch: pytest.MonkeyPatch) -> UseConfig:
    return lambda config: monkeypatch.setattr("gateway.checks.get_config", lambda: config)


@pytest.mark.parametrize(
    ("processes", "redis_url", "found"),
    [(1, "", []), (2, "", ["gateway.E001"]), (2, "redis://host:6379/0", [])],
)
def test_several_web_processes_need_redis(
    use_config: UseConfig, processes: int, redis_url: str, found: list[str]
) -> None:
    use_config(GatewayConfig(web_concurrency=processes, redis_url=redis_url))

    assert [message.id for message in check_shared_state()] == found


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (GatewayConfig(), []),
        (GatewayConfig(allowed_hosts=("*",)), ["gateway.W001"]),
        (GatewayConfig(cors_origins=("*",)), ["gateway.W002"]),
        (GatewayConfig(allowed_hosts=("*",), cors_origins=("*",)), ["gateway.W001", "gateway.W002"]),
        (GatewayConfig(**OIDC, oidc_signup=True), ["gateway.W010"]),
        (GatewayConfig(**OIDC, oidc_signup=True, oidc_allowed_domains=("example.com",)), []),
        (GatewayConfig(allowed_hosts=(".example.com",), cors_origins=("https://a.example",)), []),
    ],
)
def test_wide_open_settings_are_warned_of(
    use_config: UseConfig, config: GatewayConfig, found: list[str]
) -> None:
    use_config(config)

    assert [message.id for message in check_production_settings()] == found


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        (OIDC, []),
        ({"oidc_only": True, "oidc_client_id": "gateway"}, ["E010", "E011"]),
        ({"oidc_issuer": "https://id.example.com"}, ["E012", "E013"]),
        (OIDC | {"oidc_issuer": "http://id.example.com"}, ["E015"]),
        (OIDC | {"oidc_issuer": "http://127.0.0.1:9400"}, []),
        (OIDC | {"oidc_role_claim": "groups", "oidc_roles": (("staff", "user"),)}, ["E016"]),
        (OIDC | {"oidc_roles": (("operators", "admin"),)}, ["E017"]),
    ],
)
def test_what_an_identity_provider_lacks_is_named(
    use_config: UseConfig, settings: dict[str, Any], found: list[str]
) -> None:
    use_config(GatewayConfig(**settings))

    assert [message.id for message in check_sign_in()] == [f"gateway.{number}" for number in found]


def test_library_of_the_identity_provider_is_missed_before_anybody_signs_in(
    use_config: UseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_config(GatewayConfig(**OIDC))
    monkeypatch.setattr("gateway.checks.find_spec", lambda name: None)

    assert [message.id for message in check_sign_in()] == ["gateway.E014"]


@pytest.mark.usefixtures("stores")
def test_project_passes_its_own_checks(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check", fail_level="WARNING")

    assert "no issues" in capsys.readouterr().out

"""What the system checks refuse before the gateway starts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import call_command

from gateway.checks import check_production_settings, check_shared_state
from gateway.conf import GatewayConfig

UseConfig = Callable[[GatewayConfig], None]


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
        (GatewayConfig(allowed_hosts=(".example.com",), cors_origins=("https://a.example",)), []),
    ],
)
def test_wide_open_settings_are_warned_of(
    use_config: UseConfig, config: GatewayConfig, found: list[str]
) -> None:
    use_config(config)

    assert [message.id for message in check_production_settings()] == found


@pytest.mark.usefixtures("stores")
def test_project_passes_its_own_checks(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check", fail_level="WARNING")

    assert "no issues" in capsys.readouterr().out

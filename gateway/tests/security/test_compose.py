"""What the compose file gives each service, and what it keeps from it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gateway.conf import BASE_DIR
from gateway.env import parse_labels

OURS = ("migrate", "web", "switcher", "maintenance")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    return found


@pytest.mark.parametrize("name", OURS)
def test_service_of_ours_can_neither_write_its_root_nor_gain_rights(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]

    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp", "/data:uid=10001,mode=0700"]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_no_service_begins_as_root_or_with_a_capability(services: dict[str, Any]) -> None:
    """Those of others too; ours are not root by their image."""
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert {name: services[name]["user"] for name in services.keys() - set(OURS)} == {
        "postgres": "postgres",
        "redis": "redis",
    }


def test_engines_belong_to_this_project_alone(services: dict[str, Any]) -> None:
    """Two projects on one machine have networks of their own, and end their own engines."""
    environment = services["switcher"]["environment"]

    labels = dict(parse_labels("ENGINE_LABELS", environment["ENGINE_LABELS"]))

    assert environment["ENGINE_NETWORK"] == "${COMPOSE_PROJECT_NAME}_engine"
    assert labels["com.docker.compose.project"] == "${COMPOSE_PROJECT_NAME}"
    assert yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["networks"] == {"engine": None}


@pytest.mark.parametrize("secret", ["HF_TOKEN", "ALERT_WEBHOOK_URL"])
def test_only_the_switcher_is_given_what_it_alone_uses(services: dict[str, Any], secret: str) -> None:
    """Each reads `.env`; what stands here comes before it."""
    given = {name: services[name]["environment"][secret] for name in OURS}

    assert given.pop("switcher") == f"${{{secret}:-}}"
    assert set(given.values()) == {""}


def test_port_is_published_to_this_machine_unless_asked_otherwise(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {"web": ["${GATEWAY_BIND:-127.0.0.1}:${GATEWAY_PORT:-8080}:8080"]}


def test_password_of_the_database_is_pasted_into_no_url(services: dict[str, Any]) -> None:
    for name in OURS:
        environment = services[name]["environment"]
        assert environment["DATABASE_URL"] == "postgres://gateway@postgres:5432/gateway"
        assert environment["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_logs_of_every_service_are_bounded_and_built_images_have_a_name(services: dict[str, Any]) -> None:
    for service in services.values():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}
        assert service["image"]


def test_image_leaves_no_volume_without_a_name_behind() -> None:
    assert "VOLUME" not in (BASE_DIR / "Dockerfile").read_text()


def test_gpus_are_the_switchers_alone_and_only_where_the_machine_has_them(services: dict[str, Any]) -> None:
    with_gpus = yaml.safe_load((BASE_DIR / "docker-compose.gpu.yml").read_text())["services"]

    assert not any("deploy" in service for service in services.values())
    assert set(with_gpus) == {"switcher"}
    [device] = with_gpus["switcher"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["utility"]


def test_no_account_is_made_for_demonstrations_and_no_password_set_back() -> None:
    for file in ("docker-compose.yml", "docker-compose.cpu.yml"):
        migrate = yaml.safe_load((BASE_DIR / file).read_text())["services"]["migrate"]
        assert "seed_users --admin-only --keep-passwords" in migrate["command"][-1]

"""The pages that need no account: index, probes, metrics, documentation, and the way into the admin."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from gateway import urls
from gateway.conf import GatewayConfig
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, wait_until


@pytest.fixture
def web(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    """An anonymous client of a real gateway process."""
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture
def debug_urls(settings: Settings) -> ModuleType:
    """The URL configuration as it is loaded when DEBUG is on."""
    settings.DEBUG = True
    spec = importlib.util.spec_from_file_location("debug_urls", Path(urls.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings.ROOT_URLCONF = module
    return module


def is_not_found(response: Any) -> bool:
    return bool(response.status_code == 404 and response.json()["error"]["code"] == "not_found")


def test_index_says_what_this_is_and_where_to_go(web: httpx.Client) -> None:
    content = web.get("/").json()

    assert (content["name"], content["version"]) == ("vLLM Chat Gateway", "0.1.0")
    assert set(content["links"]) >= {"health", "ready", "openai", "chat", "admin"}


def test_links_of_the_index_are_real_paths(web: httpx.Client) -> None:
    links = web.get("/").json()["links"]

    for name in ("health", "ready"):
        assert web.get(links[name]).status_code == 200
    assert web.post(links["chat"]).status_code == 401
    assert web.get(links["openai"] + "/models").status_code == 401
    assert web.get(links["admin"]).status_code == 302


def test_health_reports_every_service_without_a_credential(web: httpx.Client, stores: Stores) -> None:
    content = wait_until(lambda: (c := web.get("/health").json())["status"] == "healthy" and c)

    assert {name: service["status"] for name, service in content["services"].items()} == {
        "vllm": "ready",
        "postgres" if stores.database_url else "sqlite": "ok",
        "redis" if stores.redis_url else "memory": "ok",
    }
    assert all(service["latency_ms"] >= 0 for service in content["services"].values())


def test_health_says_when_it_looked(web: httpx.Client) -> None:
    before = datetime.now(UTC)

    timestamp = web.get("/health").json()["timestamp"]

    assert timestamp.endswith("Z")
    assert abs(datetime.fromisoformat(timestamp) - before) < timedelta(minutes=1)


def test_ready_reports_its_checks_and_the_model(web: httpx.Client) -> None:
    response = web.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "cache": "ok", "migrations": "ok"},
        "model": {"state": "ready", "current": "simulated"},
    }


def test_metrics_are_prometheus_text_for_the_inside(web: httpx.Client) -> None:
    response = web.get("/metrics")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert "# TYPE chat_requests_total counter" in response.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_metrics_do_not_exist_for_clients_of_a_proxy(web: httpx.Client, header: str) -> None:
    assert is_not_found(web.get("/metrics", headers={header: "127.0.0.1"}))


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:db8::1", "10.0.0.1", "", "unix"])
def test_metrics_do_not_exist_for_the_outside(address: str) -> None:
    assert is_not_found(Client(REMOTE_ADDR=address).get("/metrics"))


def test_metrics_networks_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    config = GatewayConfig(metrics_networks=("10.0.0.0/8", "fd00::/8"))
    monkeypatch.setattr("gateway.observability.get_config", lambda: config)

    statuses = [
        Client(REMOTE_ADDR=address).get("/metrics").status_code
        for address in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.3", "127.0.0.1", "::ffff:127.0.0.1")
    ]

    assert statuses == [200, 200, 200, 404, 404]


@pytest.mark.parametrize("where", ["/docs", "/schema"])
def test_documentation_does_not_exist_in_production(web: httpx.Client, where: str) -> None:
    assert is_not_found(web.get(where))


@pytest.mark.django_db
def test_documentation_is_served_in_development(debug_urls: ModuleType, client: Client) -> None:
    schema, docs = client.get("/schema"), client.get("/docs")

    assert b"/api/conversations" in schema.content
    assert docs.headers["Content-Type"].startswith("text/html")


def test_admin_login_is_a_page_with_its_styles(web: httpx.Client) -> None:
    page = web.get("/admin/login/")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert 'name="username"' in page.text
    assert web.get("/static/admin/css/base.css").status_code == 200


def test_admin_sends_strangers_to_its_login(web: httpx.Client) -> None:
    response = web.get("/admin/conversations/message/")

    assert response.status_code == 302
    assert response.headers["location"].startswith("/admin/login/")


def test_pages_cannot_be_framed(web: httpx.Client) -> None:
    headers = web.get("/admin/login/").headers

    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("where", ["/", "/health", "/admin/login/", "/metrics"])
def test_every_page_carries_a_request_id(web: httpx.Client, where: str) -> None:
    assert web.get(where, headers={"x-request-id": "page-1"}).headers["x-request-id"] == "page-1"

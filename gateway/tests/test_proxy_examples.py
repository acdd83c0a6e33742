"""What `deploy/` has for proxies: that it agrees with the settings, and with itself."""

from __future__ import annotations

import re
from typing import Any

import yaml

from gateway.conf import BASE_DIR, GatewayConfig
from gateway.management.commands.run_web import KEEP_ALIVE_S

DEPLOY = BASE_DIR / "deploy"
NGINX = (DEPLOY / "nginx" / "vllm-chat-gateway.conf").read_text()
NGINX_SNIPPET = (DEPLOY / "nginx" / "snippets" / "vllm-chat-gateway.conf").read_text()
TRAEFIK = yaml.safe_load((DEPLOY / "traefik" / "dynamic" / "vllm-chat-gateway.yml").read_text())["http"]
TRAEFIK_STATIC = yaml.safe_load((DEPLOY / "traefik" / "traefik.yml").read_text())
CADDY = (DEPLOY / "caddy" / "Caddyfile").read_text()


def read_services(name: str) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((BASE_DIR / name).read_text())["services"]
    return services


def find_seconds(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return float(match[1])


def test_proxies_wait_longer_than_an_answer_may_take() -> None:
    longest_s = GatewayConfig().generation_timeout_s

    assert find_seconds(r"proxy_read_timeout (\d+)s;", NGINX_SNIPPET) > longest_s
    assert "read_timeout" not in CADDY and "response_header_timeout" not in CADDY


def test_proxies_close_idle_connections_before_the_gateway_does() -> None:
    upstream = NGINX.partition("server {")[0]

    assert find_seconds(r"keepalive_timeout (\d+)s;", upstream) < KEEP_ALIVE_S
    assert find_seconds(r"keepalive (\d+)s\n", CADDY) < KEEP_ALIVE_S


def test_caddy_of_compose_is_pinned_and_has_one_capability() -> None:
    services = read_services("docker-compose.caddy.yml")
    caddy, web = services["caddy"], services["web"]

    assert re.fullmatch(r"caddy:\d+\.\d+\.\d+-alpine", caddy["image"])
    assert (caddy["cap_drop"], caddy["cap_add"]) == (["ALL"], ["NET_BIND_SERVICE"])
    assert caddy["read_only"] is True
    assert caddy["volumes"][0] == "./deploy/caddy/Caddyfile:/etc/caddy/Caddyfile:ro"
    assert {f"{{${name}:" in CADDY for name in caddy["environment"]} == {True}
    assert web["environment"] == {"SECURE_COOKIES": "true", "TRUSTED_PROXY_HOPS": "1"}
    assert set(services) - {"caddy"} <= set(read_services("docker-compose.yml"))


def test_traefik_names_only_what_it_has() -> None:
    (router,) = TRAEFIK["routers"].values()
    balancer = TRAEFIK["services"][router["service"]]["loadBalancer"]
    times = TRAEFIK["serversTransports"][balancer["serversTransport"]]["forwardingTimeouts"]
    (entry_point,) = router["entryPoints"]
    is_redirected_to = TRAEFIK_STATIC["entryPoints"]["web"]["http"]["redirections"]["entryPoint"]["to"]

    assert router["tls"]["certResolver"] in TRAEFIK_STATIC["certificatesResolvers"]
    assert entry_point in TRAEFIK_STATIC["entryPoints"] and is_redirected_to == entry_point
    assert find_seconds(r"^(\d+)s$", times["idleConnTimeout"]) < KEEP_ALIVE_S
    assert times["responseHeaderTimeout"] == "0s"
    assert "forwardedHeaders" not in TRAEFIK_STATIC["entryPoints"][entry_point]

"""What /metrics says beside the counts: stores, starts, space and build; and that labels stay few."""

from __future__ import annotations

import socket

from chat.tests.streams import error_of
from gateway import metrics
from gateway.metric_definitions import MetricKind, MetricOwner, list_definitions
from gateway.metrics import BoundedLabel
from gateway.tests.live import GatewayProcess
from gateway.tests.scrapes import scrape

INVENTED = 10_000


def test_every_metric_of_the_web_process_is_there_as_it_is_documented(gateway: GatewayProcess) -> None:
    found = scrape(gateway.url)

    for definition in (*list_definitions(MetricOwner.WEB), *list_definitions(MetricOwner.BOTH)):
        name = definition.name
        family = name.removesuffix("_total") if definition.kind is MetricKind.COUNTER else name
        assert found.types[family] == definition.kind
        for labels in found.find(name):
            assert set(labels) == set(definition.labels)


def test_it_tells_of_stores_starts_space_and_build(gateway: GatewayProcess) -> None:
    found = scrape(gateway.url)

    assert found.find("gateway_build_info", revision="unknown") == [
        {"version": "0.1.0", "revision": "unknown"}
    ]
    assert found.sum("gateway_store_up", store="database") == 1
    assert found.sum("gateway_process_starts_total", role="web") >= 1
    assert found.sum("gateway_disk_free_bytes", volume="data") > 0
    assert found.sum("gateway_store_latency_seconds_count", store="database") > 0
    assert found.sum("gateway_pool_wait_seconds_count", pool="database") > 0


def test_logins_and_the_audit_trail_are_counted(gateway: GatewayProcess) -> None:
    before = scrape(gateway.url)
    with gateway.client() as client:
        right = {"username": "demo", "password": "wrong"}
        refused = client.post("/api/auth/login", json=right, headers={"Authorization": ""})

    after = scrape(gateway.url)
    assert error_of(refused)["code"] == "invalid_credentials"

    def added(name: str, **labels: str) -> float:
        return after.sum(name, **labels) - before.sum(name, **labels)

    assert added("gateway_logins_total", outcome="failed") == 1
    assert added("gateway_refusals_total", code="invalid_credentials") == 1
    assert after.sum("gateway_audit_events_total", action="login_failed") >= 1
    assert after.sum("gateway_logins_total", outcome="ok") >= 1
    assert after.sum("gateway_pool_wait_seconds_count", pool="password") >= 2


def test_ten_thousand_invented_models_make_no_series(gateway: GatewayProcess) -> None:
    token = gateway.token()
    before = scrape(gateway.url)

    send_invented_models(gateway.port, token)

    after = scrape(gateway.url)
    refused = {"model": "other", "status": "model_not_found"}
    assert (
        after.sum("chat_requests_total", **refused) - before.sum("chat_requests_total", **refused) == INVENTED
    )
    assert after.values("model") <= before.values("model") | {"other"}
    assert len(after.samples) <= len(before.samples) + 4  # of two counters, and when each began


def send_invented_models(port: int, token: str) -> None:
    """So many requests on one connection, without waiting for each answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for first in range(0, INVENTED, 50):
            bodies = [
                b'{"model":"made-up-%d","messages":[{"role":"user","content":"x"}]}' % number
                for number in range(first, first + 50)
            ]
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            )
            requests = [
                f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                for body in bodies
            ]
            connection.sendall(b"".join(requests))
            read = b""
            while read.count(b"model_not_found") < len(bodies):
                data = connection.recv(2**16)
                assert data, read[-500:]
                read += data


def test_a_hundred_models_of_one_engine_are_told_apart_and_no_more() -> None:
    label = BoundedLabel(100)

    bound = [label.bound(f"model-{number}") for number in range(INVENTED)]

    assert bound[:100] == [f"model-{number}" for number in range(100)]
    assert set(bound[100:]) == {metrics.OTHER}
    assert label.bound("model-7") == "model-7"

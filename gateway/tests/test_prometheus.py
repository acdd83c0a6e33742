"""The shipped monitoring on the real thing: Prometheus scrapes two web processes and a switcher."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, wait_until
from gateway.tests.needs import NeedMissing, find_prometheus, skip_loudly
from gateway.tests.prometheus import PrometheusServer, keep_compared, start_prometheus
from gateway.tests.test_monitoring import DASHBOARDS, list_alerts, list_panels
from modelops.simulator.process import find_free_port
from modelops.tests.alerting.receiver import Receiver, start_receiver
from modelops.tests.hardware.conftest import machine, stub_library
from modelops.tests.hardware.stub import StubMachine
from modelops.tests.switcher.bench import SwitchBench, open_bench

__all__ = ["machine", "stub_library"]

pytestmark = pytest.mark.services

LOAD_TIMEOUT_S = 90
AT_A_TIME = 6
"""More than the profile allows, so that some wait."""
SHORT = {"stream": True, "max_tokens": 8}
FAILING = {
    "model": "current",
    "messages": [{"role": "user", "content": "x"}],
    "vllm_xargs": {"sim_fault": "error_status"},
}

EMPTY: dict[str, str] = {}
"""Expressions that have no result in this scenario, each with the reason."""


@dataclass
class Scene:
    """A gateway as on a box with two cards, and who uses it."""

    bench: SwitchBench
    gateway: GatewayProcess
    prometheus: PrometheusServer
    chat_room: Receiver
    asked: int = 0

    def use(self) -> None:
        """What happens on a usual day, good and bad."""
        with self.gateway.client() as client, ThreadPoolExecutor(AT_A_TIME) as pool:
            chats = [
                pool.submit(client.post, "/api/chat", json={"content": f"Story {number}", **SHORT})
                for number in range(AT_A_TIME)
            ]
            assert [chat.result().status_code for chat in chats] == [200] * AT_A_TIME
            self.asked += AT_A_TIME
            failed = client.post("/v1/chat/completions", json=FAILING)
            assert failed.status_code >= 500, failed.text
        wrong = {"username": "demo", "password": "not the password"}
        httpx.post(f"{self.gateway.url}/api/auth/login", json=wrong)


@pytest.fixture
def scene(stores: Stores, tmp_path: Path, machine: StubMachine) -> Iterator[Scene]:
    try:
        find_prometheus()
    except NeedMissing as exc:
        skip_loudly("with a real Prometheus", exc)
    machine.set_state("card 0 heat 91")
    port = find_free_port()
    weights = tmp_path / "weights"
    weights.mkdir()
    with (
        start_receiver() as chat_room,
        open_bench(
            stores,
            tmp_path,
            ALERT_WEBHOOK_URL=chat_room.url,
            ALERT_WEBHOOK_FORMAT="json",
            LD_LIBRARY_PATH=str(machine.library),
            NVML_STUB_STATE=str(machine.state),
            ENGINE_HF_CACHE=str(weights),
            SWITCHER_METRICS_PORT=str(port),
        ) as bench,
    ):
        bench.save_profile("first", max_concurrent_requests=1)
        bench.save_profile("second", max_concurrent_requests=1)
        bench.start_switcher()
        bench.switch_and_settle("first")
        with bench.web_process(WEB_CONCURRENCY="2", LOGIN_RATE="3/m") as gateway:
            folder = tmp_path / "prometheus"
            folder.mkdir()
            switcher = f"127.0.0.1:{port}"
            targets = {
                "gateway-web": f"127.0.0.1:{gateway.port}",
                "gateway-switcher": switcher,
                "gateway-engines": switcher,
            }
            gateway.token()
            with start_prometheus(folder, targets) as prometheus:
                yield Scene(bench, gateway, prometheus, chat_room)


def list_expressions() -> dict[str, str]:
    """Of every alert and panel, as Prometheus is asked, by where they stand."""
    found = {f"alert {alert['alert']}": keep_compared(alert["expr"]) for alert in list_alerts()}
    for name in DASHBOARDS:
        for panel in list_panels(name):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "1m").replace("$slot", ".*")
                found[f"{name}: {panel['title']} {target['refId']}"] = expression
    return found


def test_every_panel_and_alert_has_data_and_figures_of_both_processes_are_summed(scene: Scene) -> None:
    prometheus = scene.prometheus
    wait_until(lambda: prometheus.sum("up") == 3, timeout_s=30, what="all three targets")
    scene.bench.switch_and_settle("second")
    missing = dict(list_expressions())

    def has_everything() -> bool:
        scene.use()
        for place, expression in list(missing.items()):
            if prometheus.query(expression):
                del missing[place]
        return missing.keys() <= EMPTY.keys()

    try:
        wait_until(has_everything, timeout_s=LOAD_TIMEOUT_S, what="data for every panel and alert")
    except AssertionError:
        assert missing.keys() <= EMPTY.keys(), f"without data: {missing}"

    assert set(EMPTY) <= missing.keys(), "there is data now"
    wait_until(
        lambda: prometheus.sum('chat_requests_total{model="second",status="ok"}') >= scene.asked,
        what="every answer to be counted",
    )
    assert prometheus.sum('chat_requests_total{model="second",status="ok"}') == scene.asked
    rules = {rule["name"]: rule for rule in prometheus.list_rules()}
    assert {name for name, rule in rules.items() if rule["health"] != "ok"} == set()
    # Of a real switcher, beside its loop.
    wait_until(lambda: scene.chat_room.received, timeout_s=30, what="the alarm in the chat room")
    assert scene.chat_room.titles() == ["Warning: GPU 0 is hot: 91 °C."]
    assert "top-secret-token" not in scene.bench.switcher_log()

"""One gateway of two web processes: what is counted, stopped and kept holds over both of them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.locks import lock_folder
from gateway.scrape_values import METRICS_FOLDER
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.web_processes import FOLDER_PREFIX, shared_metrics
from modelops.simulator.process import start_simulator

REQUESTS = 30
START_TIMEOUT_S = 60
STORY = {"content": "Long story", "stream": True}


@pytest.fixture
def gateway(stores: Stores, tmp_path: Path) -> Iterator[GatewayProcess]:
    settings = {
        "WEB_CONCURRENCY": "2",
        "RATE_LIMIT_REQUESTS": str(REQUESTS),
        "RATE_LIMIT_WINDOW": "3600",
        "CHECKPOINT_INTERVAL": "0.2",
        "MESSAGE_LEASE": "1.5",
    }
    with (
        start_simulator("--served-model-name", "simulated", "--sim-tokens-per-second", "8") as engine,
        start_gateway(stores, tmp_path, engine.base_url, **settings) as running,
    ):
        wait_until(lambda: starts(running) == 2, timeout_s=START_TIMEOUT_S, what="both processes to start")
        yield running


def starts(gateway: GatewayProcess) -> int:
    return len(gateway.log_events("Application startup complete."))


def web_processes(gateway: GatewayProcess) -> list[psutil.Process]:
    assert gateway.process is not None
    children = psutil.Process(gateway.process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@contextlib.contextmanager
def clients_of_both(gateway: GatewayProcess) -> Iterator[dict[int, httpx.Client]]:
    """A client for each process, by its pid, whose one connection that process has accepted."""
    found: dict[int, httpx.Client] = {}
    with ExitStack() as stack:

        def knock() -> bool:
            client = stack.enter_context(gateway.client())
            stream = client.get("/api/conversations").extensions["network_stream"]
            _host, port = stream.get_extra_info("client_addr")[:2]
            for process in web_processes(gateway):
                if any(each.raddr and each.raddr.port == port for each in process.net_connections()):
                    found.setdefault(process.pid, client)
            return len(found) == 2

        wait_until(knock, timeout_s=30, what="both processes to accept a connection")
        yield found


@contextlib.contextmanager
def streaming(client: httpx.Client, **fields: object) -> Iterator[httpx.Response]:
    """An answer whose first bytes have come."""
    with client.stream("POST", "/api/chat", json=STORY | fields) as response:
        assert response.status_code == 200
        yield response


def read_metrics(client: httpx.Client) -> dict[str, float]:
    """The sums over labels."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def read_message(client: httpx.Client, conversation_id: str, message_id: str) -> dict[str, Any]:
    messages = client.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return next(message for message in messages if message["id"] == message_id)


@pytest.mark.services
def test_limit_holds_over_both(gateway: GatewayProcess) -> None:
    refused = {"content": "x", "temperature": 99}
    with clients_of_both(gateway) as clients, ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(client.post, "/api/chat", json=refused) for client in [*clients.values()] * REQUESTS
        ]
        statuses = [answer.result().status_code for answer in asked]

    assert (statuses.count(400), statuses.count(429)) == (REQUESTS, REQUESTS)


@pytest.mark.services
def test_cancel_sent_to_one_stops_a_stream_of_the_other(gateway: GatewayProcess) -> None:
    with clients_of_both(gateway) as clients:
        one, other = clients.values()
        with streaming(one) as response:
            lines = response.iter_lines()
            next(lines)
            ids = response.headers["x-conversation-id"], response.headers["x-message-id"]

            other.post("/api/conversations/{}/messages/{}/cancel".format(*ids)).raise_for_status()

            assert list(lines)[-2:] == ["data: [DONE]", ""]
        assert read_message(other, *ids)["status"] == "cancelled"


@pytest.mark.services
def test_metrics_of_either_are_those_of_both(gateway: GatewayProcess) -> None:
    with clients_of_both(gateway) as clients:
        one, other = clients.values()
        for client in (one, other):
            client.post("/api/chat", json={"content": "hi", "max_tokens": 1}).raise_for_status()

        for name in (
            "chat_requests_total",
            "gateway_overhead_seconds_count",
            "gateway_build_info",
            "gateway_process_starts_total",
        ):
            expected = 1 if name == "gateway_build_info" else 2
            assert [read_metrics(client)[name] for client in (one, other)] == [expected, expected]

        with streaming(one), clients_of_both(gateway) as others:
            open_ones = [read_metrics(client)["chat_open_generations"] for client in others.values()]

        assert open_ones == [1, 1]


@pytest.mark.services
def test_killed_process_is_replaced_and_its_answers_are_closed(gateway: GatewayProcess) -> None:
    with clients_of_both(gateway) as clients:
        (victim, one), (_survivor, other) = clients.items()
        with contextlib.suppress(httpx.HTTPError), streaming(one) as response:
            ids = response.headers["x-conversation-id"], response.headers["x-message-id"]
            assert read_metrics(other)["chat_open_generations"] == 1

            os.kill(victim, signal.SIGKILL)
            response.read()

        wait_until(lambda: starts(gateway) == 3, timeout_s=START_TIMEOUT_S, what="another process")
        wait_until(lambda: read_message(other, *ids)["status"] != "streaming", what="the sweep")
        assert read_message(other, *ids)["error_code"] == "interrupted"
        assert read_metrics(other)["chat_open_generations"] == 0
    with clients_of_both(gateway) as clients:
        assert victim not in clients


@pytest.mark.services
def test_sigterm_lets_both_finish_their_answers(gateway: GatewayProcess) -> None:
    with clients_of_both(gateway) as clients, ExitStack() as stack:
        answers = [
            stack.enter_context(streaming(client, max_tokens=8)).iter_lines() for client in clients.values()
        ]
        for lines in answers:
            next(lines)
        assert gateway.process is not None

        gateway.process.send_signal(signal.SIGTERM)

        for lines in answers:
            assert list(lines)[-2:] == ["data: [DONE]", ""]
    assert gateway.process.wait(15) == 0


@pytest.mark.services
def test_processes_end_with_the_one_that_started_them(gateway: GatewayProcess) -> None:
    processes = web_processes(gateway)

    gateway.kill()

    _gone, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


@pytest.mark.services
def test_folder_of_the_metrics_is_private_and_gone_afterwards(gateway: GatewayProcess) -> None:
    [folder] = {
        Path(mapped.path).parent
        for process in web_processes(gateway)
        for mapped in process.memory_maps()
        if "gateway-metrics-" in mapped.path
    }
    assert folder.stat().st_mode & 0o777 == 0o700

    gateway.stop()

    assert not folder.exists()


def test_folders_of_killed_gateways_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web_processes.MEMORY_FOLDER", tmp_path)
    left, held, new = (tmp_path / f"{FOLDER_PREFIX}{name}" for name in ("left", "held", "new"))
    for folder in (left, held, new):
        folder.mkdir()
    lock = lock_folder(held, "lock")
    assert lock is not None
    with lock:
        for folder in (left, held):
            os.utime(folder, (0, 0))

        with shared_metrics():
            own = Path(os.environ[METRICS_FOLDER])
            assert set(tmp_path.iterdir()) == {held, new, own}

    assert not own.exists()
    assert METRICS_FOLDER not in os.environ

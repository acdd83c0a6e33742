"""Switches between real containers on a real Docker engine, under streams of a real web process."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.live import GatewayProcess, wait_until
from modelops.tests.runtimes.image_registry import start_registry
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_failures import profile_of

pytestmark = [pytest.mark.docker]

STREAMS = 20
TOKENS = 80
PACE = 40
"""Tokens a second: a stream of the old engine runs for two seconds."""
FAULTS = {
    "cuda_oom": "gpu_out_of_memory",
    "no_kv_blocks": "no_room_for_kv",
    "hang_loading": "stalled",
    "never_healthy": "not_healthy",
    "wrong_served_name": "wrong_served_name",
    "error_status": "canary_failed",
    "port_in_use": "port_in_use",
    "killed": "killed",
    "fill_host_memory": "out_of_host_memory",
}


@pytest.fixture(scope="module")
def docker_bench(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
    docker_engine: DockerEngine,
    simulator_image: str,
) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("docker-switch")
    with open_bench(
        stores,
        folder,
        DOCKER_HOST=docker_engine.host,
        SWITCH_DRAIN_TIMEOUT="30",
        SWITCHER_LEASE="10",
        ENGINE_STALL_SCALE="0.01",
        ENGINE_MEMORY_GIB="1",
    ) as bench:
        for slug in ("a", "b"):
            bench.save_profile(
                slug, runtime="docker", image=simulator_image, flags={"sim-tokens-per-second": PACE}
            )
        bench.start_switcher()
        assert bench.switch_and_settle("a")["state"] == "active", bench.switcher_log()[-3000:]
        yield bench


def stream_one(client: httpx.Client, number: int) -> dict[str, Any]:
    """What one client saw: the status, which model answered, and whether the stream came to its end."""
    body = {
        "model": "current",
        "messages": [{"role": "user", "content": f"count {number}"}],
        "stream": True,
        "max_tokens": TOKENS,
        "min_tokens": TOKENS,
    }
    seen: dict[str, Any] = {"models": set(), "errors": [], "is_done": False, "pieces": 0}
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        seen["status"] = response.status_code
        if response.status_code != 200:
            seen["errors"].append(response.read().decode())
            return seen
        for line in response.iter_lines():
            if line == "data: [DONE]":
                seen["is_done"] = True
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                if "error" in event:
                    seen["errors"].append(event["error"])
                else:
                    seen["models"].add(event["model"])
                    seen["pieces"] += 1
    return seen


def count_open(gateway: GatewayProcess) -> int:
    """Answers that are being generated, by the process's own metrics."""
    metrics = httpx.get(f"{gateway.url}/metrics").text
    return int(float(re.findall(r"^chat_open_generations (\S+)", metrics, re.MULTILINE)[0]))


@contextlib.contextmanager
def crowd(gateway: GatewayProcess) -> Iterator[tuple[ThreadPoolExecutor, httpx.Client]]:
    limits = httpx.Limits(max_connections=200)
    headers = {"Authorization": f"Bearer {gateway.token()}"}
    with (
        httpx.Client(base_url=gateway.url, headers=headers, timeout=90, limits=limits) as client,
        ThreadPoolExecutor(100) as pool,
    ):
        yield pool, client


def test_a_switch_under_twenty_streams_cuts_none_and_makes_newcomers_wait(docker_bench: SwitchBench) -> None:
    docker_bench.switch_and_settle("a")
    with docker_bench.web_process(SWITCH_WAIT="60") as gateway, crowd(gateway) as (pool, client):
        before = [pool.submit(stream_one, client, number) for number in range(STREAMS)]
        docker_bench.wait_until(lambda: count_open(gateway) >= STREAMS)

        switch_id = docker_bench.request("b")
        docker_bench.wait_for_state("draining")
        during: list[Future[dict[str, Any]]] = []
        plain: list[Future[httpx.Response]] = []
        while docker_bench.order("states")["live"]:
            if len(during) < STREAMS:
                during.append(pool.submit(stream_one, client, len(during)))
                body = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
                plain.append(pool.submit(client.post, "/v1/chat/completions", json=body))
        old = [each.result(60) for each in before]
        new = [each.result(60) for each in during]
        answers = [each.result(60) for each in plain]

    switch = docker_bench.find_switch(switch_id)
    assert switch["state"] == "active"
    assert [each["errors"] for each in old] == [[]] * STREAMS
    assert all(each["is_done"] and each["models"] == {"a"} for each in old)
    assert [each["errors"] for each in new] == [[]] * len(new)
    assert all(each["is_done"] and each["models"] <= {"a", "b"} for each in new)
    assert any(each["models"] == {"b"} for each in new)
    assert {answer.status_code for answer in answers} == {200}


def test_plain_requests_get_a_documented_503_when_they_have_waited_long_enough(
    docker_bench: SwitchBench,
) -> None:
    for slug in ("b", "a"):
        docker_bench.switch_and_settle(slug)
    docker_bench.order("remember_start", profile="b", seconds=40)
    with docker_bench.web_process(SWITCH_WAIT="0.2") as gateway, gateway.client() as client:
        body = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}

        def ask() -> httpx.Response | None:
            answer = client.post("/v1/chat/completions", json=body)
            return answer if answer.is_error else None

        with docker_bench.busy_web_process():
            docker_bench.request("b", drain_timeout_s=0, drain_policy="wait")
            docker_bench.wait_for_state("draining")
            draining: httpx.Response = wait_until(ask, what="the web process to see the closed gate")
        docker_bench.wait_for_state("loading")
        loading = client.post("/v1/chat/completions", json=body)
        docker_bench.wait_until_settled()

    for answer in (draining, loading):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "model_switching"
    # What its starts took, as long as its log does not know better.
    assert int(draining.headers["retry-after"]) in (39, 40)


def test_answers_over_their_time_are_cut_with_one_error_event(docker_bench: SwitchBench) -> None:
    docker_bench.switch_and_settle("a")
    with docker_bench.web_process() as gateway, crowd(gateway) as (pool, client):
        running = [pool.submit(stream_one, client, number) for number in range(3)]
        docker_bench.wait_until(lambda: count_open(gateway) >= 3)

        switch_id = docker_bench.request("b", drain_timeout_s=0, drain_policy="cut")
        seen = [each.result(60) for each in running]
        docker_bench.wait_until_settled()

    assert docker_bench.find_switch(switch_id)["state"] == "active"
    for each in seen:
        assert [error["code"] for error in each["errors"]] == ["model_switching"]
        assert each["is_done"]


@pytest.mark.parametrize(("fault", "code"), FAULTS.items())
def test_a_container_that_fails_brings_the_old_one_back_and_names_the_cause(
    docker_bench: SwitchBench, simulator_image: str, fault: str, code: str
) -> None:
    docker_bench.switch_and_settle("a")
    docker_bench.save_profile("bad", runtime="docker", image=simulator_image, faults=(fault,))

    switch = docker_bench.switch_and_settle("bad")

    assert switch["state"] == "rolled_back"
    assert switch["root_cause"]["code"] == code
    assert profile_of(docker_bench.look()) == "a"


@pytest.mark.parametrize("code", ["image_missing", "registry_unreachable", "registry_denied"])
def test_an_image_that_is_not_there_is_refused_while_the_old_engine_serves_on(
    docker_bench: SwitchBench, code: str
) -> None:
    docker_bench.switch_and_settle("a")
    before = docker_bench.look()["slot"]["active_engine_id"]
    with start_registry() as registry:
        address = "127.0.0.1:1" if code == "registry_unreachable" else registry.address
        registry.is_denying = code == "registry_denied"
        docker_bench.save_profile("bad", runtime="docker", image=f"{address}/team/no-such-image:v2")

        switch = docker_bench.switch_and_settle("bad")
    rows = docker_bench.look()

    assert switch["state"] == "rejected"
    assert switch["root_cause"]["code"] == code
    assert rows["slot"]["active_engine_id"] == before
    assert profile_of(rows) == "a"


def test_a_container_that_somebody_removes_is_replaced(
    docker_bench: SwitchBench, docker_engine: DockerEngine
) -> None:
    docker_bench.switch_and_settle("a")
    before = docker_bench.look()
    client: docker.DockerClient = docker_engine.client()

    client.containers.get(before["workloads"][0]["name"]).remove(force=True)
    docker_bench.wait_for_engine_after(before)
    after = docker_bench.wait_until_settled()

    client.close()
    assert profile_of(after) == "a"
    assert after["switches"][-1]["via"] == "system"

"""A slot that is a cluster: real Ray, two nodes, the simulated engine as what is deployed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.tests.live import GatewayProcess, wait_until
from modelops.tests.ray.conftest import PACE
from modelops.tests.switcher.bench import SwitchBench

if TYPE_CHECKING:
    from gateway.tests.ray_cluster.cluster import RayCluster

pytestmark = pytest.mark.ray

CRASHES = int(os.environ.get("GATEWAY_TEST_RAY_CRASHES", "3"))
LONGEST_S = 6.0
"""A switch on a quiet machine."""
PATIENCE_S = 90.0
THEIRS = "theirs"


@pytest.fixture(autouse=True)
def _theirs_is_untouched(ray_cluster: RayCluster) -> Iterator[None]:
    """What is not ours serves from the same process and in the same configuration, whatever a test does."""

    def find() -> dict[str, Any]:
        found: dict[str, Any] = ray_cluster.list_applications()[THEIRS]
        return found

    def see() -> tuple[Any, ...]:
        # For a moment after each change of any application Ray Serve says DEPLOYING of all.
        wait_until(lambda: find()["status"] == "RUNNING", timeout_s=PATIENCE_S, what=THEIRS)
        found = find()
        [deployment] = found["deployments"].values()
        return found["deployed_app_config"], [(e["pid"], e["state"]) for e in deployment["replicas"]]

    before = see()
    yield
    assert see() == before


def complete(client: httpx.Client, *, tokens: int = 4) -> None:
    """A streamed chat of so many tokens; the test fails where it ends any other way."""
    length = {"max_tokens": tokens, "min_tokens": tokens}
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True, **length}
    with client.stream(
        "POST", "/v1/chat/completions", json={"model": "current", **body}, timeout=60
    ) as answer:
        assert answer.status_code == 200, answer.read()
        events = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    assert not any('"error"' in event for event in events), events[-3:]
    assert any('"finish_reason":"length"' in event for event in events), events[-3:]


@contextmanager
def chats_going_on(
    web: GatewayProcess, *, at_a_time: int = 3, tokens: int = 4
) -> Iterator[list[tuple[datetime, datetime]]]:
    """Chats one after the other, several at a time, of which none may fail: the list has when each was."""
    stop = Event()
    spans: list[tuple[datetime, datetime]] = []

    def chat_until_stopped() -> None:
        with web.client() as client:
            while not stop.is_set():
                began = datetime.now(UTC)
                complete(client, tokens=tokens)
                spans.append((began, datetime.now(UTC)))

    with ThreadPoolExecutor(at_a_time) as pool:
        running: list[Future[None]] = [pool.submit(chat_until_stopped) for _ in range(at_a_time)]
        try:
            wait_until(lambda: len(spans) >= at_a_time, timeout_s=PATIENCE_S, what="the first chats")
            yield spans
        finally:
            stop.set()
            for each in running:
                each.result(PATIENCE_S)


def switch_to(bench: SwitchBench, profile: str) -> dict[str, Any]:
    switch_id = bench.order("request", profile=profile)["switch"]
    bench.wait_until_settled(timeout_s=PATIENCE_S)
    return bench.find_switch(switch_id) if switch_id else {}


def ensure_serving(bench: SwitchBench, profile: str) -> dict[str, Any]:
    """All rows with this profile active and nothing else of the slot's on the cluster."""
    if not bench.is_switching:
        bench.start_switcher()
    switch_to(bench, profile)
    return wait_for_workloads(bench, profile)


def wait_for_workloads(bench: SwitchBench, profile: str) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        rows = bench.look()
        active = next((e for e in rows["engines"] if e["id"] == rows["slot"]["active_engine_id"]), None)
        names = [each["name"] for each in rows["workloads"]]
        is_clean = active is not None and active["profile"] == profile and names == [active["name"]]
        return rows if is_clean else None

    rows: dict[str, Any] = wait_until(find, timeout_s=PATIENCE_S, poll_s=0.2, what=f"{profile} alone")
    return rows


def wait_for_replicas(cluster: RayCluster, name: str, count: int) -> None:
    def have_come() -> bool:
        [deployment] = cluster.list_applications()[name]["deployments"].values()
        states = [each["state"] for each in deployment["replicas"]]
        return states.count("RUNNING") == count

    wait_until(have_come, timeout_s=PATIENCE_S, poll_s=0.2, what=f"{count} replicas")


def name_active(rows: dict[str, Any]) -> str:
    active: str = next(e["name"] for e in rows["engines"] if e["id"] == rows["slot"]["active_engine_id"])
    return active


def test_a_second_replica_is_added_under_load_and_no_request_fails(
    bench: SwitchBench, web: GatewayProcess, ray_cluster: RayCluster
) -> None:
    before = name_active(ensure_serving(bench, "a"))

    with chats_going_on(web):
        bench.save_profile("a", runtime="ray", flags=PACE, replicas=2)
        switch = switch_to(bench, "a")
        wait_for_replicas(ray_cluster, before, 2)

    after = name_active(bench.look())
    bench.save_profile("a", runtime="ray", flags=PACE, replicas=1)
    assert switch["plan"]["kind"] == "rename"
    assert after == before


def test_a_switch_with_room_for_both_keeps_nobody_waiting_and_lets_old_streams_finish(
    bench: SwitchBench, web: GatewayProcess
) -> None:
    before = name_active(ensure_serving(bench, "a"))

    with chats_going_on(web, tokens=80) as spans:
        switch = switch_to(bench, "b")
    rows = wait_for_workloads(bench, "b")

    states = [e["state"] for e in rows["events"] if e["switch_id"] == switch["id"] and e["kind"] == "state"]
    old = next(each for each in rows["engines"] if each["name"] == before)
    assert switch["state"] == "active"
    assert states == ["requested", "planned", "starting", "loading", "verifying", "active"]
    succeeded_at = datetime.fromisoformat(switch["ended_at"])
    assert any(began < succeeded_at < ended for began, ended in spans)
    assert old["end_reason"] == "made room for b"


def test_a_deployment_that_fails_leaves_what_serves_and_says_why(
    bench: SwitchBench, web: GatewayProcess
) -> None:
    before = name_active(ensure_serving(bench, "b"))

    with chats_going_on(web, at_a_time=1):
        failed = switch_to(bench, "broken")
        # As if it had been asked for while there was room.
        refused_id = bench.order("insert_switch", profile="too-large", force=False)["switch"]
        bench.wait_until_settled(timeout_s=PATIENCE_S)
    rows = wait_for_workloads(bench, "b")

    refused = bench.find_switch(refused_id)
    assert failed["state"] == "rolled_back"
    assert failed["root_cause"]["code"] == "gpu_out_of_memory"
    assert "CUDA out of memory" in failed["log_tail"]
    assert refused["state"] == "rejected"
    assert refused["root_cause"]["code"] == "no_cluster_room"
    assert "9 replicas" in refused["root_cause"]["message"]
    assert name_active(rows) == before


def test_without_room_for_both_the_old_one_is_stopped_and_comes_back_if_the_new_one_fails(
    bench: SwitchBench,
) -> None:
    ensure_serving(bench, "a")

    grown = switch_to(bench, "large")
    failed = switch_to(bench, "large-broken")
    rows = wait_for_workloads(bench, "large")

    assert grown["state"] == "active"
    assert "stopping" in grown["state_seconds"]
    assert failed["state"] == "rolled_back"
    assert failed["root_cause"]["code"] == "gpu_out_of_memory"
    assert rows["slot"]["gate"] == "open"


def test_a_switcher_killed_at_random_instants_is_followed_by_one_that_finishes(bench: SwitchBench) -> None:
    seed = int(os.environ.get("GATEWAY_TEST_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    print(f"seed {seed}, {CRASHES} crashes")
    if not bench.is_switching:
        bench.start_switcher()

    for _ in range(CRASHES):
        bench.order("request", profile=chance.choice(["a", "b", "broken"]))
        time.sleep(chance.uniform(0.0, LONGEST_S))
        bench.end_switcher(bench.switcher, signal.SIGKILL)
        bench.start_switcher()
        settled = bench.wait_until_settled(timeout_s=PATIENCE_S)
        rows = wait_for_workloads(bench, settled["slot"]["desired_profile"])
        assert rows["slot"]["gate"] == "open"
        assert all(each["ended_at"] for each in rows["switches"])
        assert [each["name"] for each in rows["engines"] if each["ended_at"] is None] == [name_active(rows)]

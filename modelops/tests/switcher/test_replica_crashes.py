"""kill -9 of switcher and engines at random while replicas are started, rolled and ended."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from typing import Any

from gateway.tests.live import wait_until
from modelops.tests.switcher.bench import SwitchBench
from modelops.tests.switcher.test_replicas import running, serving

CRASHES = int(os.environ.get("GATEWAY_TEST_CRASHES", "4"))
SHARE_OF_ENGINES = 0.3
"""How often an engine is killed besides."""
CHECKED_EVERY = 4
WISHES: list[tuple[str, dict[str, Any]]] = [
    ("many", {"replicas": 2}),
    ("many", {"replicas": 2, "max_model_len": 2048}),
    ("many", {"replicas": 3}),
    ("many", {"replicas": 3, "max_model_len": 2048}),
    ("many", {"replicas": 2, "faults": ("cuda_oom",)}),
    ("single", {}),
]


def test_switchers_and_replicas_killed_at_random_always_converge(bench: SwitchBench) -> None:
    seed = int(os.environ.get("GATEWAY_TEST_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    print(f"seed {seed}, {CRASHES} crashes")
    pid = bench.start_switcher()

    for crash in range(CRASHES):
        # So many kills would have it wait for minutes, and rightly.
        bench.order("forget_failures")
        profile, settings = chance.choice(WISHES)
        bench.save_profile(profile, **settings)
        bench.order("request", profile=profile)
        time.sleep(chance.uniform(0.0, 2.5))
        if chance.random() < SHARE_OF_ENGINES and (workloads := bench.look()["workloads"]):
            with contextlib.suppress(ProcessLookupError):
                bench.kill_workload(chance.choice(workloads))
            time.sleep(chance.uniform(0.0, 1.0))
        bench.end_switcher(pid, signal.SIGKILL)
        pid = bench.start_switcher()
        if crash % CHECKED_EVERY == CHECKED_EVERY - 1:
            wait_until_whole(bench)

    rows = wait_until_whole(bench)
    assert rows["slot"]["gate"] == "open"


def wait_until_whole(bench: SwitchBench) -> dict[str, Any]:
    """All rows once as many equal engines serve as the profile asks for, and nothing else is left."""
    bench.order("forget_failures")
    bench.wait_until_settled(timeout_s=90)

    def find() -> dict[str, Any] | None:
        rows = bench.look()
        return rows if is_whole(rows) else None

    try:
        found: dict[str, Any] = wait_until(find, timeout_s=90, what="every replica", poll_s=0.1)
    except AssertionError as exc:
        exc.add_note(describe(bench.look()))
        raise
    return found


def describe(rows: dict[str, Any]) -> str:
    """What is there instead."""
    slot = {name: rows["slot"][name] for name in ("gate", "active_engine_id", "problem", "replica_problem")}
    slot |= {name: rows["slot"][name] for name in ("failed_replicas", "failed_restarts", "retry_at")}
    names = ("name", "replica", "state", "leaving_since", "reference", "asked_to_stop_at")
    left_open = [{name: each[name] for name in names} for each in rows["engines"] if not each["ended_at"]]
    return f"{slot}\n{left_open}\n{rows['workloads']}"


def is_whole(rows: dict[str, Any]) -> bool:
    engines = serving(rows)
    leader = engines.get(0)
    if leader is None or rows["slot"]["active_engine_id"] != leader["id"]:
        return False
    names = {each["name"] for each in engines.values()}
    left_open = {each["name"] for each in rows["engines"] if each["ended_at"] is None}
    return (
        len(engines) == (leader["spec"].get("replicas") or 1)
        and all(each["arguments"] == leader["arguments"] for each in engines.values())
        and names == left_open == running(rows) == {each["name"] for each in rows["workloads"]}
        and not any(each["ended_at"] is None for each in rows["switches"])
    )

"""Slots that rest while nobody uses them: real switchers, web processes and simulated engines."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from modelops.tests.switcher.bench import SwitchBench

CYCLES = int(os.environ.get("GATEWAY_TEST_REST_CYCLES", "2"))
WAYS = [("sleep", False), ("stop", False), ("sleep", True)] if CYCLES > 2 else [("sleep", True)]
"""What becomes of an idle engine, and whether the switcher is killed now and then meanwhile."""
CHAT: dict[str, Any] = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


def rest_of(bench: SwitchBench) -> str:
    state: str = bench.order("read_rows")["slot"]["rest"]
    return state


def ask(client: httpx.Client, *, is_stream: bool) -> str:
    """How a request ended: `answered`, `told when`, or what went wrong."""
    answer = client.post("/v1/chat/completions", json={**CHAT, "stream": is_stream})
    if answer.status_code == 503 and "retry-after" in answer.headers:
        return "told when"
    is_whole = "[DONE]" in answer.text if is_stream else answer.status_code == 200
    return "answered" if is_whole and "error" not in answer.text else answer.text


def kill_switcher(bench: SwitchBench, is_killed: bool) -> None:
    """Another one goes on."""
    if is_killed:
        bench.end_switcher(bench.switcher)
        bench.start_switcher()


@pytest.mark.parametrize(("action", "is_killed"), WAYS)
def test_each_request_is_answered_or_told_when_whatever_the_engine_is_about_to_do(
    bench: SwitchBench, action: str, is_killed: bool
) -> None:
    bench.save_profile("nap", enable_sleep_mode=True, idle_after_s=1, idle_action=action)
    bench.start_switcher()
    bench.switch_and_settle("nap")
    outcomes: list[Future[str]] = []
    chance = random.Random(CYCLES)  # noqa: S311 - moments, not secrets

    with bench.web_process() as gateway, ThreadPoolExecutor(8) as pool, gateway.client() as client:
        for cycle in range(CYCLES):
            if cycle % 3 == 0:
                bench.wait_until(lambda: rest_of(bench) == "resting")
            else:
                time.sleep(chance.uniform(0, 5))
                kill_switcher(bench, is_killed)
            for _request in range(chance.randint(1, 4)):
                outcomes.append(pool.submit(ask, client, is_stream=chance.random() < 0.5))
                time.sleep(chance.choice((0, 0.05, 0.3)))
            kill_switcher(bench, is_killed)
            outcomes[-1].result(60)
        found = Counter(outcome.result(60) for outcome in outcomes)

    woken = [each for each in bench.look()["switches"] if each["reason"] == "a request woke it"]
    assert set(found) <= {"answered", "told when"}
    assert found["answered"]
    assert woken
    assert {each["state"] for each in woken} <= {"active", "verifying", "loading"}
    print(f"{action}: {dict(found)}, woken {len(woken)} times")

"""Bringing back what should serve, again and again, without filling the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.tests.databases import Stores
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_failures import profile_of

CHANGES: dict[str, dict[str, Any]] = {
    "disabled": {"is_enabled": False},
    "moved": {"runtime": "docker", "image": "nobody/nothing:1"},
}


@pytest.mark.parametrize("change", ["deleted", *CHANGES])
def test_an_engine_that_dies_comes_back_as_it_was_whatever_became_of_its_profile(
    bench: SwitchBench, change: str
) -> None:
    bench.save_profile("a")
    bench.start_switcher()
    bench.switch_and_settle("a")
    before = bench.look()
    if change == "deleted":
        bench.order("delete_profile", slug="a")
    else:
        bench.save_profile("a", **CHANGES[change])

    bench.kill_workload(before["workloads"][0])
    bench.wait_for_engine_after(before)
    rows = bench.wait_until_settled()

    switch = rows["switches"][-1]
    assert (switch["via"], switch["state"]) == ("system", "rolled_back")
    assert switch["root_cause"]["code"] in {"disabled", "plan_refused", "runtime_unusable"}
    assert profile_of(rows) == "a"
    assert rows["slot"]["problem"] is None
    assert rows["engines"][-1]["arguments"] == before["engines"][-1]["arguments"]


def test_a_first_start_whose_plan_is_refused_is_tried_again_ever_later(
    stores: Stores, tmp_path: Path
) -> None:
    with open_bench(stores, tmp_path, AUTOSTART_PROFILE="a", VLLM_COMMAND="no-such-program") as bench:
        bench.save_real_profile("a", runtime="process", tensor_parallel_size=1)
        bench.start_switcher()
        bench.wait_until(lambda: len(bench.look()["switches"]) == 2)
        rows = bench.wait_until_settled()

    assert [each["state"] for each in rows["switches"]] == ["rejected", "rejected"]
    assert rows["slot"]["problem"]["code"] == "program_missing"
    assert rows["slot"]["failed_restarts"] == 2
    assert rows["slot"]["retry_at"] > rows["switches"][-1]["ended_at"]


def test_asking_for_the_profile_again_tries_at_once_whatever_is_left_of_the_backoff(
    bench: SwitchBench,
) -> None:
    bench.save_profile("a")
    bench.start_switcher()
    bench.switch_and_settle("a")
    bench.order("remember_failures", count=6)
    bench.kill_workload(bench.look()["workloads"][0])
    bench.wait_until(lambda: bench.look()["slot"]["problem"])
    waiting = bench.look()["slot"]

    switch = bench.switch_and_settle("a")

    assert waiting["retry_at"] > switch["ended_at"]
    assert (switch["state"], switch["via"]) == ("active", "command")
    assert bench.look()["slot"]["retry_at"] is None


def test_requests_after_the_death_of_an_engine_hear_that_it_is_loading_and_for_how_long(
    bench: SwitchBench,
) -> None:
    bench.save_profile("a")
    bench.start_switcher()
    bench.switch_and_settle("a")
    bench.order("remember_start", profile="a", seconds=40)
    bench.order("remember_failures", count=1)
    body = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    with bench.web_process(SWITCH_WAIT="0.1") as gateway, gateway.client() as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        bench.kill_workload(bench.look()["workloads"][0])
        bench.wait_until(lambda: bench.look()["slot"]["problem"])
        answers: list[httpx.Response] = []

        def is_back() -> bool:
            answers.append(client.post("/v1/chat/completions", json=body))
            return answers[-1].status_code == 200

        bench.wait_until(is_back)

    refused = [each for each in answers if each.status_code != 200]
    codes = [each.json()["error"]["code"] for each in refused]
    # Until the web process has seen it, the engine is one that just does not answer.
    seen = codes.index("model_loading")
    assert set(codes[:seen]) <= {"upstream_unavailable"}
    assert set(codes[seen:]) == {"model_loading"}
    assert 40 < int(refused[seen].headers["retry-after"]) <= 45

"""Bringing back what should serve, again and again, without filling the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

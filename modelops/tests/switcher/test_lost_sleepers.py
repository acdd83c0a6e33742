"""Engines that sleep beside the one that serves, when things go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from modelops.tests.switcher.bench import SwitchBench
from modelops.tests.switcher.test_failures import profile_of


@pytest.fixture
def night(bench: SwitchBench) -> Iterator[dict[str, Any]]:
    """The workload of the first of two profiles that can sleep; it serves."""
    for slug in ("night", "day"):
        bench.save_profile(slug, enable_sleep_mode=True)
    bench.start_switcher()
    bench.switch_and_settle("night")
    workload: dict[str, Any] = bench.look()["workloads"][0]
    yield workload


def test_a_sleeper_that_was_removed_to_make_room_is_started_anew_when_it_is_wanted_again(
    bench: SwitchBench, night: dict[str, Any]
) -> None:
    bench.save_profile("neither")
    bench.switch_and_settle("day")
    bench.switch_and_settle("neither")

    back = bench.switch_and_settle("night")
    rows = bench.look()

    assert back["plan"]["kind"] == "start"
    assert back["state"] == "active"
    assert [each["state"] for each in rows["engines"] if each["ended_at"] is None] == ["serving"]


def test_an_engine_that_dies_when_it_was_to_sleep_is_started_anew_when_its_successor_fails(
    bench: SwitchBench, night: dict[str, Any]
) -> None:
    bench.save_profile("broken", enable_sleep_mode=True, faults=("cuda_oom",))
    with bench.busy_web_process():
        switch_id = bench.request("broken", drain_timeout_s=60)
        bench.wait_for_state("draining")
        bench.kill_workload(night)
    rows = bench.wait_until_settled()

    switch = bench.find_switch(switch_id)
    assert (switch["state"], switch["restore_cause"]) == ("rolled_back", None)
    assert profile_of(rows) == "night"


def test_a_sleeper_that_died_is_started_anew_when_it_is_wanted(
    bench: SwitchBench, night: dict[str, Any]
) -> None:
    bench.switch_and_settle("day")
    bench.kill_workload(night)

    back = bench.switch_and_settle("night")

    assert back["plan"]["kind"] == "start"
    assert back["state"] == "active"

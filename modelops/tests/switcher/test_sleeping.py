"""Engines that sleep beside the one that serves, when things go wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from modelops.tests.switcher.bench import SwitchBench


@pytest.fixture
def night(bench: SwitchBench) -> Iterator[dict[str, Any]]:
    """The workload of the first of two profiles that can sleep; it serves."""
    for slug in ("night", "day"):
        bench.save_profile(slug, enable_sleep_mode=True)
    bench.start_switcher()
    bench.switch_and_settle("night")
    workload: dict[str, Any] = bench.look()["workloads"][0]
    yield workload


def test_a_cancel_while_the_old_engine_falls_asleep_never_runs_two_and_brings_it_back(
    bench: SwitchBench, night: dict[str, Any]
) -> None:
    with bench.busy_web_process():
        bench.request("day", drain_policy="wait")
        bench.wait_for_state("draining")
        for pid in night["pids"]:
            # It takes its time to fall asleep.
            os.kill(pid, signal.SIGSTOP)
    bench.wait_for_state("stopping")

    bench.order("cancel")
    rows = bench.wait_until_settled()

    assert rows["switches"][-1]["state"] == "rolled_back"
    assert [each["profile"] for each in rows["engines"] if each["state"] == "serving"] == ["night"]
    assert night["name"] not in [each["name"] for each in rows["workloads"]]

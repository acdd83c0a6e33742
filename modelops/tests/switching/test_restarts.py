"""Bringing back what should serve, again and again, without filling the history."""

from __future__ import annotations

from modelops.tests.switching.bench import SwitchBench


def test_a_restart_whose_plan_is_refused_is_tried_again_ever_later(bench: SwitchBench) -> None:
    bench.save_profile("a")
    bench.start_switcher()
    bench.switch_and_settle("a")
    bench.save_profile("a", is_enabled=False)

    bench.kill_workload(bench.look()["workloads"][0])
    bench.wait_until(lambda: bench.look()["switches"][-1]["state"] == "rejected")
    rows = bench.look()

    assert rows["slot"]["problem"]["code"] == "disabled"
    assert rows["slot"]["retry_at"] > rows["switches"][-1]["ended_at"]
    assert rows["slot"]["failed_restarts"] == 2

"""Switches that keep the engine which runs already."""

from __future__ import annotations

from modelops.tests.switcher.bench import SwitchBench


def test_a_change_of_names_alone_starts_the_engine_that_died_meanwhile(bench: SwitchBench) -> None:
    bench.save_profile("a")
    switcher = bench.start_switcher()
    bench.switch_and_settle("a")
    bench.save_profile("a", max_concurrent_requests=7)
    bench.end_switcher(switcher)
    before = bench.look()
    bench.kill_workload(before["workloads"][0])

    switch_id = bench.request("a")
    bench.start_switcher()
    rows = bench.wait_until_settled()

    assert bench.find_switch(switch_id)["state"] == "active"
    assert rows["slot"]["active_engine_id"] != before["slot"]["active_engine_id"]
    assert rows["engines"][-1]["spec"]["max_concurrent_requests"] == 7

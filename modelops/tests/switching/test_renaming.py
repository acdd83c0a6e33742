"""Switches that keep the engine which runs already."""

from __future__ import annotations

from modelops.tests.switching.bench import SwitchBench


def test_an_engine_that_died_before_only_its_names_change_is_named_as_the_cause(bench: SwitchBench) -> None:
    bench.save_profile("a")
    switcher = bench.start_switcher()
    bench.switch_and_settle("a")
    bench.save_profile("a", max_concurrent_requests=7)
    bench.end_switcher(switcher)
    bench.kill_workload(bench.look()["workloads"][0])

    switch_id = bench.request("a")
    bench.start_switcher()
    bench.wait_until_settled()
    switch = bench.find_switch(switch_id)

    assert switch["state"] == "rejected"
    assert switch["root_cause"]["code"] in ("engine_died", "killed")

"""Two slots under one switcher: each is switched, drained and ended by itself."""

from __future__ import annotations

from modelops.tests.switcher.bench import SwitchBench


def test_slot_that_is_retired_has_its_engine_ended_and_the_other_one_serves_on(bench: SwitchBench) -> None:
    for slug in ("a", "b"):
        bench.save_profile(slug)
    bench.start_switcher()
    bench.order("create_slot", name="second", has_gpus=False)
    here = bench.switch_and_settle("a")
    there = bench.switch_and_settle("b", slot="second")
    before = bench.look()

    bench.order("retire_slot", name="second")
    bench.wait_until(lambda: bench.look("second")["slot"]["retired_at"])
    retired, after = bench.look("second"), bench.look()

    assert (here["state"], there["state"]) == ("active", "active")
    assert retired["workloads"] == []
    assert [each["end_reason"] for each in retired["engines"]] == ["its slot was retired"]
    assert retired["slot"]["active_engine_id"] is None
    assert after["slot"]["active_engine_id"] == before["slot"]["active_engine_id"]
    assert [each["state"] for each in after["workloads"]] == ["running"]

"""Several slots under one switcher."""

from __future__ import annotations

from modelops.tests.switcher.bench import SwitchBench


def test_a_slot_in_trouble_holds_up_no_other(bench: SwitchBench) -> None:
    bench.save_profile("a")
    bench.order("add_slot_in_trouble")
    bench.start_switcher()

    switch = bench.switch_and_settle("a")

    assert switch["state"] == "active"
    assert "slot_tick_failed" in bench.switcher_log()

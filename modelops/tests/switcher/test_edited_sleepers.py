"""Engines that sleep beside the one that serves, when things go wrong."""

from __future__ import annotations

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


def test_a_sleeper_whose_profile_was_edited_meanwhile_is_not_woken(
    bench: SwitchBench, night: dict[str, Any]
) -> None:
    bench.switch_and_settle("day")
    bench.save_profile("night", enable_sleep_mode=True, max_model_len=2048)

    back = bench.switch_and_settle("night")
    rows = bench.look()

    serving = next(each for each in rows["engines"] if each["state"] == "serving")
    assert back["plan"]["kind"] == "start"
    assert serving["max_model_len"] == 2048
    assert night["name"] not in [each["name"] for each in rows["workloads"]]

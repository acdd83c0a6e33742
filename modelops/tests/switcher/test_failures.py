"""Whatever goes wrong with the new engine: the old one serves again, and the cause has its name."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.tests.databases import Stores
from modelops.tests.switcher.bench import SwitchBench, open_bench

FAILURES = {
    "gpu_occupied": "gpu_occupied",
    "cuda_oom": "gpu_out_of_memory",
    "no_kv_blocks": "no_room_for_kv",
    "heads_not_divisible": "heads_not_divisible",
    "context_beyond_positions": "context_beyond_positions",
    "gated_repo": "gated_repo",
    "no_disk": "no_disk",
    "no_shm": "no_shm",
    "nccl_error": "nccl_failed",
    "port_in_use": "port_in_use",
    "killed": "killed",
    "hang_loading": "stalled",
    "never_healthy": "not_healthy",
    "wrong_served_name": "wrong_served_name",
    "error_status": "canary_failed",
}


NEEDS: dict[str, Any] = {
    "heads_not_divisible": {"flags": {"sim-limit": 7}, "tensor_parallel_size": 2},
    "context_beyond_positions": {"flags": {"sim-limit": 2048}},
}
"""What else it takes for a fault to strike."""


@pytest.fixture(scope="module")
def failing_bench(embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("failures")
    # A hundredth of the patience: seconds without a sign of life instead of minutes.
    with open_bench(embedded_stores, folder, ENGINE_STALL_SCALE="0.01") as bench:
        bench.save_profile("good")
        bench.start_switcher()
        assert bench.switch_and_settle("good")["state"] == "active"
        yield bench


def profile_of(rows: dict[str, Any]) -> str:
    """The profile whose engine is pointed to, and runs."""
    active = next(each for each in rows["engines"] if each["id"] == rows["slot"]["active_engine_id"])
    assert [each["name"] for each in rows["workloads"]] == [active["name"]]
    profile: str = active["profile"]
    return profile


@pytest.mark.parametrize(("fault", "code"), FAILURES.items())
def test_a_failed_start_brings_the_old_profile_back_and_names_the_cause(
    failing_bench: SwitchBench, fault: str, code: str
) -> None:
    failing_bench.switch_and_settle("good")
    failing_bench.save_profile("bad", faults=(fault,), **NEEDS.get(fault, {}))

    switch = failing_bench.switch_and_settle("bad")

    assert switch["state"] == "rolled_back"
    assert switch["root_cause"]["code"] == code
    assert switch["root_cause"]["message"]
    assert profile_of(failing_bench.look()) == "good"


def test_a_context_too_long_for_the_cache_is_tried_once_more_with_the_length_that_the_engine_named(
    failing_bench: SwitchBench,
) -> None:
    failing_bench.switch_and_settle("good")
    failing_bench.save_profile(
        "long", faults=("context_too_long_for_kv",), flags={"sim-limit": 2048}, max_model_len=8192
    )

    switch = failing_bench.switch_and_settle("long")
    rows = failing_bench.look()

    assert switch["state"] == "active"
    assert switch["attempts"] == 2
    assert switch["max_model_len"] == 2048
    active = next(each for each in rows["engines"] if each["id"] == rows["slot"]["active_engine_id"])
    assert active["max_model_len"] == 2048
    failed = [each for each in rows["engines"] if each["profile"] == "long" and each["ended_at"]]
    assert len(failed) == 1


def test_a_profile_that_is_deleted_meanwhile_is_tried_once_more_all_the_same(
    failing_bench: SwitchBench,
) -> None:
    failing_bench.switch_and_settle("good")
    slow = {"sim-limit": 2048, "sim-startup-seconds": 1}
    failing_bench.save_profile("gone", faults=("context_too_long_for_kv",), flags=slow, max_model_len=8192)

    switch_id = failing_bench.request("gone")
    failing_bench.wait_for_state("loading")
    failing_bench.order("delete_profile", slug="gone")
    failing_bench.wait_until_settled()

    switch = failing_bench.find_switch(switch_id)
    assert switch["state"] == "active"
    assert switch["max_model_len"] == 2048


def test_when_the_old_profile_cannot_be_restored_either_it_is_tried_again_from_its_profile(
    embedded_stores: Stores,
    tmp_path: Path,
) -> None:
    with open_bench(embedded_stores, tmp_path) as bench:
        bench.save_profile("fickle")
        switcher = bench.start_switcher()
        bench.switch_and_settle("fickle")
        bench.end_switcher(switcher, signal.SIGTERM)
        rows = bench.look()
        # What served before will not start again: its recorded flags are what is started.
        engine = next(each for each in rows["engines"] if each["id"] == rows["slot"]["active_engine_id"])
        bench.order("spoil_engine", name=engine["name"])
        bench.save_profile("bad", faults=("cuda_oom",))
        bench.start_switcher()

        switch_id = bench.request("bad")
        bench.wait_until(lambda: bench.find_switch(switch_id)["state"] == "degraded")
        switch = bench.find_switch(switch_id)
        bench.wait_for_engine_after({"slot": {"active_engine_id": None}})
        rows = bench.wait_until_settled()

    assert switch["root_cause"]["code"] == "gpu_out_of_memory"
    assert switch["restore_cause"]["code"] == "no_disk"
    again = rows["switches"][-1]
    assert (again["via"], again["to_profile"], again["state"]) == ("system", "fickle", "active")
    assert rows["slot"]["problem"] is None
    assert profile_of(rows) == "fickle"


def test_an_engine_that_dies_is_started_again_and_the_history_says_why(
    embedded_stores: Stores, tmp_path: Path
) -> None:
    with open_bench(embedded_stores, tmp_path) as bench:
        bench.save_profile("mortal")
        bench.start_switcher()
        bench.switch_and_settle("mortal")
        before = bench.look()

        bench.kill_workload(before["workloads"][0])
        bench.wait_for_engine_after(before)
        after = bench.wait_until_settled()

    assert profile_of(after) == "mortal"
    assert after["slot"]["active_engine_id"] != before["slot"]["active_engine_id"]
    restart = after["switches"][-1]
    assert restart["via"] == "system"
    assert restart["state"] == "active"
    dead = next(each for each in after["engines"] if each["id"] == before["slot"]["active_engine_id"])
    assert dead["ended_at"]
    assert dead["end_reason"]


def test_an_engine_that_dies_while_its_successor_is_prepared_is_not_left_pointed_to(
    embedded_stores: Stores, tmp_path: Path
) -> None:
    with open_bench(embedded_stores, tmp_path) as bench:
        bench.save_profile("mortal")
        bench.save_profile("next")
        switcher = bench.start_switcher()
        bench.switch_and_settle("mortal")
        before = bench.look()
        os.kill(switcher, signal.SIGSTOP)
        switch_id = bench.request("next")
        bench.kill_workload(before["workloads"][0])
        os.kill(switcher, signal.SIGCONT)

        bench.wait_for_engine_after(before)
        rows = bench.wait_until_settled()

    switch = next(each for each in rows["switches"] if each["id"] == switch_id)
    assert switch["state"] in {"rejected", "active"}
    assert rows["slot"]["active_engine_id"] != before["slot"]["active_engine_id"]
    assert profile_of(rows) == ("next" if switch["state"] == "active" else "mortal")

"""kill -9 of the switcher, at every state and at random: it always ends in a state that is true."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.tests.budgets import has_full_budget
from gateway.tests.databases import Stores
from modelops.domain.switching.states import ACTING_STATES, SwitchState
from modelops.tests.switcher.bench import SwitchBench, open_bench

CRASHES = int(os.environ.get("GATEWAY_TEST_CRASHES", "10" if has_full_budget() else "5"))
FORWARD = [state for state in ACTING_STATES if state is not SwitchState.ROLLING_BACK]


@pytest.fixture(scope="module")
def crash_bench(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("crashes")
    with open_bench(stores, folder) as bench:
        for slug in ("a", "b"):
            bench.save_profile(slug)
        bench.save_profile("broken", faults=("cuda_oom",))
        yield bench


def assert_true_to_itself(rows: dict[str, Any]) -> None:
    """One engine serves and is the one pointed to, or none does and the slot says why."""
    slot, engines = rows["slot"], {each["id"]: each for each in rows["engines"]}
    running = [each["name"] for each in rows["workloads"] if each["state"] == "running"]
    serving = [each for each in engines.values() if each["state"] == "serving"]
    if slot["active_engine_id"] is None:
        assert slot["problem"]
        assert running == []
        assert serving == []
    else:
        active = engines[slot["active_engine_id"]]
        assert running == [active["name"]]
        assert [each["id"] for each in serving] == [active["id"]]
        assert slot["gate"] == "open"
    assert [each["name"] for each in rows["workloads"]] == running
    left_open = [each["name"] for each in engines.values() if each["ended_at"] is None]
    assert left_open == running
    last = rows["switches"][-1]
    if last["state"] == "active":
        assert engines[slot["active_engine_id"]]["profile"] == last["to_profile"]
    if last["state"] == "rolled_back":
        assert last["root_cause"]
    for switch in rows["switches"]:
        told = [e["state"] for e in rows["events"] if e["switch_id"] == switch["id"] and e["kind"] == "state"]
        assert told[0] == "requested"
        assert told[-1] == switch["state"]
        assert switch["ended_at"]


def ready_on(bench: SwitchBench, profile: str) -> int:
    """A running switcher with this profile active."""
    pid = bench.start_switcher()
    bench.order("request", profile=profile)
    rows = bench.wait_until_settled()
    assert rows["slot"]["desired_profile"] == profile
    return pid


@pytest.mark.parametrize("state", FORWARD)
def test_a_switcher_killed_in_this_state_is_followed_by_one_that_finishes(
    crash_bench: SwitchBench, state: SwitchState
) -> None:
    rows = finish_after_crash(crash_bench, state)

    assert_true_to_itself(rows)
    assert rows["switches"][-1]["state"] == "active"


def finish_after_crash(bench: SwitchBench, state: SwitchState) -> dict[str, Any]:
    """From `a` to `b` by two switchers, the first of which dies in this state. Every row after it."""
    pid = ready_on(bench, "a")
    before = len(bench.look()["switches"])

    bench.request("b")
    kill_when(bench, pid, state)
    pid = bench.start_switcher()
    rows = bench.wait_until_settled()

    bench.end_switcher(pid, signal.SIGTERM)
    assert len(rows["switches"]) == before + 1
    return rows


def test_a_switcher_killed_while_it_rolls_back_is_followed_by_one_that_finishes_that(
    crash_bench: SwitchBench,
) -> None:
    pid = ready_on(crash_bench, "a")

    crash_bench.request("broken")
    kill_when(crash_bench, pid, SwitchState.ROLLING_BACK)
    pid = crash_bench.start_switcher()
    rows = crash_bench.wait_until_settled()

    crash_bench.end_switcher(pid, signal.SIGTERM)
    assert_true_to_itself(rows)
    assert rows["switches"][-1]["state"] == "rolled_back"
    assert rows["switches"][-1]["root_cause"]["code"] == "gpu_out_of_memory"


def kill_when(bench: SwitchBench, pid: int, state: SwitchState) -> None:
    """kill -9 as soon as the switch has been seen in this state, or in any later one: states are short."""
    wait_until_in(bench, state)
    bench.end_switcher(pid, signal.SIGKILL)


def wait_until_in(bench: SwitchBench, state: SwitchState) -> None:
    """Return once a live switch is in this state or in a later one, or none is live."""
    order = list(SwitchState)
    while True:
        live = bench.order("states")["live"]
        if not live or any(order.index(SwitchState(each)) >= order.index(state) for each in live):
            return
        time.sleep(0.002)  # shorter than any state, and leaves the switcher a core


def test_switchers_killed_at_random_instants_always_converge(crash_bench: SwitchBench) -> None:
    rows = crash_at_random(crash_bench, longest_s=1.6)

    assert_true_to_itself(rows)


def crash_at_random(bench: SwitchBench, *, longest_s: float) -> dict[str, Any]:
    """GATEWAY_TEST_CRASHES crashes, each at most this long after a wish. The rows at the end."""
    seed = int(os.environ.get("GATEWAY_TEST_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    print(f"seed {seed}, {CRASHES} crashes")
    pid = bench.start_switcher()
    for crash in range(CRASHES):
        profile = chance.choice(["a", "b", "a", "b", "broken"])
        bench.order("request", profile=profile)
        # Past the end of a whole switch, so that instants after it are met as well.
        time.sleep(chance.uniform(0.0, longest_s))
        bench.end_switcher(pid, signal.SIGKILL)
        pid = bench.start_switcher()
        if crash % 5 == 4:
            assert_true_to_itself(bench.wait_until_settled())
    rows = bench.wait_until_settled()
    bench.end_switcher(pid, signal.SIGTERM)
    return rows


@pytest.mark.parametrize("state", FORWARD)
def test_a_switcher_told_to_end_in_this_state_ends_at_once_and_leaves_a_state_to_go_on_from(
    crash_bench: SwitchBench, state: SwitchState
) -> None:
    pid = ready_on(crash_bench, "a")

    crash_bench.request("b")
    kill_gently_when(crash_bench, pid, state)
    left = crash_bench.look()["slot"]
    pid = crash_bench.start_switcher()
    rows = crash_bench.wait_until_settled()

    crash_bench.end_switcher(pid, signal.SIGTERM)
    assert left["lease_holder"] == ""
    assert_true_to_itself(rows)
    assert rows["switches"][-1]["state"] == "active"


def kill_gently_when(bench: SwitchBench, pid: int, state: SwitchState) -> None:
    wait_until_in(bench, state)
    assert bench.end_switcher(pid, signal.SIGTERM) == 0


def test_of_two_switchers_one_acts_and_the_other_takes_over_when_it_dies(crash_bench: SwitchBench) -> None:
    first = ready_on(crash_bench, "a")
    # It may find everything as it should be, and take the lease a moment later.
    crash_bench.wait_until(lambda: f":{first}:" in crash_bench.look()["slot"]["lease_holder"])
    holder = crash_bench.look()["slot"]["lease_holder"]
    second = crash_bench.start_switcher()

    rows_of_first = crash_bench.switch_and_settle("b")
    still = crash_bench.look()["slot"]["lease_holder"]
    crash_bench.request("a")
    crash_bench.end_switcher(first, signal.SIGKILL)
    rows = crash_bench.wait_until_settled()
    crash_bench.end_switcher(second, signal.SIGTERM)

    assert still == holder
    assert rows_of_first["state"] == "active"
    assert f":{second}:" in rows["slot"]["lease_holder"]
    assert_true_to_itself(rows)

"""Joining, superseding, queueing, cancelling: several wishes at once, one engine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tests.databases import Stores
from modelops.domain.switching.states import SwitchState
from modelops.simulator.process import start_simulator
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_failures import profile_of


@pytest.fixture(scope="module")
def wish_bench(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("wishes")
    with open_bench(stores, folder, SWITCH_DRAIN_TIMEOUT="30") as bench:
        for slug in ("a", "b", "c"):
            bench.save_profile(slug)
        bench.save_profile("slow", flags={"sim-startup-seconds": 600})
        bench.start_switcher()
        yield bench


def test_a_second_wish_for_the_same_profile_joins_the_first(wish_bench: SwitchBench) -> None:
    wish_bench.switch_and_settle("a")

    first = wish_bench.order("request", profile="b")
    second = wish_bench.order("request", profile="b")
    wish_bench.wait_until_settled()

    assert second == {"outcome": "joined", "switch": first["switch"]}
    assert wish_bench.find_switch(first["switch"])["state"] == "active"


def test_what_serves_already_needs_no_switch(wish_bench: SwitchBench) -> None:
    wish_bench.switch_and_settle("a")

    answer = wish_bench.order("request", profile="a")

    assert answer == {"outcome": "already_active", "switch": None}


def test_another_wish_supersedes_one_whose_old_engine_is_untouched(wish_bench: SwitchBench) -> None:
    wish_bench.switch_and_settle("a")
    with wish_bench.busy_web_process():
        first = wish_bench.request("b")
        wish_bench.wait_for_state("draining")

        second = wish_bench.request("c")
        wish_bench.wait_until(lambda: wish_bench.find_switch(first)["state"] == "cancelled")
        during = wish_bench.look()
    wish_bench.wait_until_settled()

    assert profile_of(during) == "a"
    assert wish_bench.find_switch(first)["superseded_by_id"] == second
    assert wish_bench.find_switch(second)["state"] == "active"
    assert profile_of(wish_bench.look()) == "c"


def test_another_wish_waits_for_one_that_has_gone_too_far(wish_bench: SwitchBench) -> None:
    wish_bench.switch_and_settle("a")
    first = wish_bench.request("b")
    wish_bench.wait_for_state("loading")

    second = wish_bench.request("c")
    waiting = wish_bench.find_switch(second)["state"]
    wish_bench.wait_until_settled()

    assert waiting == "requested"
    assert wish_bench.find_switch(first)["state"] == "active"
    assert wish_bench.find_switch(second)["state"] == "active"


def test_of_those_that_wait_the_newest_counts(wish_bench: SwitchBench) -> None:
    wish_bench.switch_and_settle("a")
    wish_bench.request("b")
    wish_bench.wait_for_state("loading")

    dropped = wish_bench.request("c")
    kept = wish_bench.request("a")
    wish_bench.wait_until_settled()

    assert wish_bench.find_switch(dropped)["state"] == "cancelled"
    assert wish_bench.find_switch(dropped)["superseded_by_id"] == kept
    assert profile_of(wish_bench.look()) == "a"


def test_a_switch_that_drains_can_be_cancelled_and_the_old_engine_never_notices(
    wish_bench: SwitchBench,
) -> None:
    wish_bench.switch_and_settle("a")
    before = wish_bench.look()["slot"]["active_engine_id"]
    with wish_bench.busy_web_process():
        switch_id = wish_bench.request("b")
        wish_bench.wait_for_state("draining")

        wish_bench.order("cancel")
        rows = wish_bench.wait_until_settled()

    switch = wish_bench.find_switch(switch_id)
    assert switch["state"] == "cancelled"
    assert switch["cancelled_by"] == "test"
    assert rows["slot"]["active_engine_id"] == before
    assert rows["slot"]["gate"] == "open"


def test_a_switch_that_loads_can_be_cancelled_and_what_served_before_comes_back(
    wish_bench: SwitchBench,
) -> None:
    wish_bench.switch_and_settle("a")
    switch_id = wish_bench.request("slow")
    wish_bench.wait_for_state("loading")

    wish_bench.order("cancel")
    rows = wish_bench.wait_until_settled()

    switch = wish_bench.find_switch(switch_id)
    assert switch["state"] == SwitchState.ROLLED_BACK
    assert switch["root_cause"]["code"] == "cancelled"
    assert profile_of(rows) == "a"


def test_answers_that_run_longer_than_they_may_are_waited_for_cut_or_make_the_switch_be_abandoned(
    wish_bench: SwitchBench,
) -> None:
    wish_bench.switch_and_settle("a")
    with wish_bench.busy_web_process():
        abandoned = wish_bench.request("b", drain_timeout_s=0, drain_policy="abandon")
        wish_bench.wait_until_settled()
        during = profile_of(wish_bench.look())

        cut = wish_bench.request("b", drain_timeout_s=0, drain_policy="cut")
        wish_bench.wait_until(lambda: wish_bench.look()["slot"]["gate"] == "cut")
    wish_bench.wait_until_settled()

    assert wish_bench.find_switch(abandoned)["state"] == "cancelled"
    assert during == "a"
    assert wish_bench.find_switch(cut)["state"] == "active"


def test_a_change_of_names_alone_keeps_the_engine(wish_bench: SwitchBench) -> None:
    wish_bench.switch_and_settle("a")
    before = wish_bench.look()["slot"]
    wish_bench.save_profile("a", max_concurrent_requests=7)

    switch = wish_bench.switch_and_settle("a")
    after = wish_bench.look()
    wish_bench.save_profile("a", max_concurrent_requests=None)

    assert switch["state"] == "active"
    assert after["slot"]["active_engine_id"] == before["active_engine_id"]
    assert after["slot"]["epoch"] > before["epoch"]
    active = next(each for each in after["engines"] if each["id"] == before["active_engine_id"])
    assert active["spec"]["max_concurrent_requests"] == 7


def test_an_engine_that_somebody_else_runs_can_be_switched_to_and_away_from(
    stores: Stores, tmp_path: Path
) -> None:
    with (
        start_simulator("--served-model-name", "theirs", "--max-model-len", "4096") as engine,
        open_bench(stores, tmp_path, VLLM_BASE_URL=engine.base_url) as bench,
    ):
        bench.save_profile("theirs", runtime="external")
        bench.save_profile("ours")
        bench.start_switcher()
        there = bench.switch_and_settle("theirs")
        theirs = bench.look()
        away = bench.switch_and_settle("ours")
        back = bench.switch_and_settle("theirs")
        still_runs = engine.health_status()
        rows = bench.look()

    assert [each["state"] for each in (there, away, back)] == ["active"] * 3
    assert theirs["engines"][0]["base_url"] == engine.base_url
    assert still_runs == 200
    assert rows["workloads"] == []


def test_two_profiles_that_can_sleep_take_turns_without_a_restart(stores: Stores, tmp_path: Path) -> None:
    with open_bench(stores, tmp_path) as bench:
        for slug in ("night", "day"):
            bench.save_profile(slug, enable_sleep_mode=True)
        bench.save_profile("neither")
        switcher = bench.start_switcher()
        bench.switch_and_settle("night")
        night = bench.look()["slot"]["active_engine_id"]

        bench.switch_and_settle("day")
        asleep = bench.look()
        back = bench.switch_and_settle("night")
        awake = bench.look()
        bench.switch_and_settle("neither")
        alone = bench.look()
        bench.end_switcher(switcher, signal.SIGTERM)

    assert len(asleep["workloads"]) == 2
    assert [each["state"] for each in asleep["engines"]] == ["asleep", "serving"]
    assert back["plan"]["kind"] == "wake"
    assert awake["slot"]["active_engine_id"] == night
    assert [each["state"] for each in awake["engines"]] == ["serving", "asleep"]
    assert profile_of(alone) == "neither"

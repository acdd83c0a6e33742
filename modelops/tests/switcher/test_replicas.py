"""Several engines of one profile in a slot: started, led, brought back, replaced and ended."""

from __future__ import annotations

import signal
from typing import Any

from gateway.tests.live import wait_until
from modelops.tests.switcher.bench import SwitchBench


def serving(rows: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The engines that requests go to, by their numbers."""
    found = [each for each in rows["engines"] if each["state"] == "serving" and not each["leaving_since"]]
    return {each["replica"]: each for each in found}


def running(rows: dict[str, Any]) -> set[str]:
    return {each["name"] for each in rows["workloads"] if each["state"] == "running"}


def wait_for_replicas(bench: SwitchBench, count: int, *, without: str = "") -> dict[str, Any]:
    """All rows once so many replicas serve, and nothing else is left of the slot's engines."""

    def find() -> dict[str, Any] | None:
        rows = bench.look()
        names = {each["name"] for each in serving(rows).values()}
        left_open = {each["name"] for each in rows["engines"] if each["ended_at"] is None}
        is_whole = names == left_open == running(rows) == {each["name"] for each in rows["workloads"]}
        return rows if is_whole and len(names) == count and without not in names else None

    found: dict[str, Any] = wait_until(find, timeout_s=30, what=f"{count} replicas", poll_s=0.05)
    return found


def switch_to(bench: SwitchBench, profile: str, replicas: int) -> dict[str, Any]:
    bench.switch_and_settle(profile)
    return wait_for_replicas(bench, replicas)


def workload_of(rows: dict[str, Any], engine: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in rows["workloads"] if each["name"] == engine["name"])
    return found


def test_a_profile_with_replicas_runs_as_equal_engines_of_which_one_leads(replica_bench: SwitchBench) -> None:
    rows = switch_to(replica_bench, "three", 3)

    engines = serving(rows)
    assert sorted(engines) == [0, 1, 2]
    assert rows["slot"]["active_engine_id"] == engines[0]["id"]
    assert len({each["base_url"] for each in engines.values()}) == 3
    assert all(each["arguments"] == engines[0]["arguments"] for each in engines.values())
    assert engines[2]["cards"][0]["id"] == "three"
    assert rows["slot"]["replica_problem"] is None


def test_a_replica_that_died_comes_back_while_its_leader_serves_on(replica_bench: SwitchBench) -> None:
    before = switch_to(replica_bench, "two", 2)
    dead = serving(before)[1]

    replica_bench.kill_workload(workload_of(before, dead))
    rows = wait_for_replicas(replica_bench, 2, without=dead["name"])

    assert serving(rows)[0]["id"] == serving(before)[0]["id"]
    assert len(rows["switches"]) == len(before["switches"])
    ended = next(each for each in rows["engines"] if each["id"] == dead["id"])
    assert (ended["state"], ended["exit_code"]) == ("ended", 128 + signal.SIGKILL)
    assert rows["slot"]["gate"] == "open"


def test_a_leader_that_died_is_followed_by_a_replica_at_once(replica_bench: SwitchBench) -> None:
    before = switch_to(replica_bench, "two", 2)
    leader, follower = serving(before)[0], serving(before)[1]

    replica_bench.kill_workload(workload_of(before, leader))
    replica_bench.wait_for_engine_after(before)
    promoted = replica_bench.look()
    rows = wait_for_replicas(replica_bench, 2, without=leader["name"])

    for seen in (promoted, rows):
        assert seen["slot"]["active_engine_id"] == follower["id"]
        assert seen["slot"]["gate"] == "open"
        assert seen["slot"]["problem"] is None
    assert len(rows["switches"]) == len(before["switches"])
    assert serving(rows)[0]["id"] == follower["id"]


def test_a_switch_to_another_model_ends_every_replica(replica_bench: SwitchBench) -> None:
    before = switch_to(replica_bench, "three", 3)

    rows = switch_to(replica_bench, "one", 1)

    assert serving(rows)[0]["profile"] == "one"
    reasons = {
        each["end_reason"]
        for each in rows["engines"]
        if each["name"] in running(before) and each["replica"] > 0
    }
    assert reasons == {"made room for one"}


def test_more_or_fewer_replicas_are_a_switch_that_stops_nothing(replica_bench: SwitchBench) -> None:
    replica_bench.save_profile("grown", replicas=1)
    leader = serving(switch_to(replica_bench, "grown", 1))[0]

    replica_bench.save_profile("grown", replicas=3)
    grown = switch_to(replica_bench, "grown", 3)
    replica_bench.save_profile("grown", replicas=2)
    shrunk = switch_to(replica_bench, "grown", 2)

    assert serving(grown)[0]["id"] == serving(shrunk)[0]["id"] == leader["id"]
    assert [each["plan"]["kind"] for each in shrunk["switches"][-2:]] == ["rename", "rename"]


def test_a_replica_that_does_not_start_is_tried_again_ever_later(replica_bench: SwitchBench) -> None:
    before = switch_to(replica_bench, "two", 2)

    replica_bench.order("spoil_engine", name=serving(before)[0]["name"])
    wait_until(lambda: replica_bench.look()["slot"]["failed_replicas"] >= 2, timeout_s=20)
    rows = replica_bench.look()

    assert rows["slot"]["replica_problem"]["message"]
    assert rows["slot"]["active_engine_id"] == serving(before)[0]["id"]
    assert rows["slot"]["gate"] == "open"


def test_other_flags_of_the_same_model_roll_through_the_replicas_while_the_gate_stays_open(
    replica_bench: SwitchBench,
) -> None:
    replica_bench.save_profile("rolled", replicas=3)
    before = switch_to(replica_bench, "rolled", 3)
    epochs: list[tuple[str, int]] = []
    replica_bench.save_profile("rolled", replicas=3, max_model_len=2048)

    replica_bench.request("rolled")
    while True:
        rows = replica_bench.look()
        epochs.append((rows["slot"]["gate"], len(serving(rows))))
        engines = serving(rows).values()
        if len(engines) == 3 and all(each["max_model_len"] == 2048 for each in engines):
            break
    rows = wait_for_replicas(replica_bench, 3)

    assert {gate for gate, _ in epochs} == {"open"}
    assert min(count for _, count in epochs) == 2
    assert rows["switches"][-1]["state"] == "active"
    assert rows["switches"][-1]["plan"]["kind"] == "roll"
    assert not running(rows) & running(before)


def test_flags_with_which_no_engine_starts_leave_the_old_replicas_as_they_are(
    replica_bench: SwitchBench,
) -> None:
    replica_bench.save_profile("kept", replicas=2)
    before = switch_to(replica_bench, "kept", 2)
    replica_bench.save_profile("kept", replicas=2, faults=("cuda_oom",))

    switch = replica_bench.switch_and_settle("kept")
    rows = wait_for_replicas(replica_bench, 2)

    assert (switch["state"], switch["root_cause"]["code"]) == ("rolled_back", "gpu_out_of_memory")
    assert serving(rows)[0]["id"] == serving(before)[0]["id"]
    assert serving(rows)[1]["arguments"] == serving(before)[0]["arguments"]
    assert rows["slot"]["gate"] == "open"


def test_a_leader_that_dies_while_replicas_are_replaced_is_followed_by_what_is_being_started(
    replica_bench: SwitchBench,
) -> None:
    replica_bench.save_profile("bereft", replicas=2)
    before = switch_to(replica_bench, "bereft", 2)
    replica_bench.save_profile("bereft", replicas=2, max_model_len=2048, flags={"sim-startup-seconds": 1.5})
    replica_bench.request("bereft")
    replica_bench.wait_for_state("loading")

    replica_bench.kill_workload(workload_of(before, serving(before)[0]))
    rows = wait_for_replicas(replica_bench, 2, without=serving(before)[0]["name"])

    assert rows["switches"][-1]["state"] == "active"
    assert {each["max_model_len"] for each in serving(rows).values()} == {2048}
    assert rows["slot"]["problem"] is None


def test_a_cancelled_roll_leaves_the_replica_that_was_to_make_room(replica_bench: SwitchBench) -> None:
    replica_bench.save_profile("spared", replicas=2)
    before = switch_to(replica_bench, "spared", 2)
    replica_bench.save_profile("spared", replicas=2, max_model_len=2048)

    with replica_bench.busy_web_process(engine=serving(before)[1]["id"]):
        replica_bench.request("spared")
        replica_bench.wait_for_state("draining")
        replica_bench.order("cancel")
        replica_bench.wait_until_settled()
    rows = wait_for_replicas(replica_bench, 2)

    assert rows["switches"][-1]["state"] == "cancelled"
    assert {each["id"] for each in serving(rows).values()} == {
        each["id"] for each in serving(before).values()
    }

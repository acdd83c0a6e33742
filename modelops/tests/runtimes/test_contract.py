"""What every runtime that starts engines promises, on each of them for real."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.tests.live import wait_until
from modelops.runtimes.base import InstanceState, RuntimeFailure, Workload
from modelops.tests.runtimes.benches import HUB_SECRETS, SECRETS, Bench, read_until


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_started_engine_runs_under_its_name_with_its_labels(bench: Bench) -> None:
    workload = bench.workload()
    before = datetime.now(UTC)

    instance = bench.runtime.start(workload)

    assert instance == bench.runtime.status(workload.name)
    assert instance.name == workload.name
    assert instance.state is InstanceState.RUNNING
    assert instance.base_url.startswith("http://")
    assert instance.reference
    assert instance.exit_code is None
    assert instance.started_at is not None
    assert timedelta(0) <= instance.started_at - before + timedelta(seconds=1) < timedelta(minutes=1)
    assert workload.labels.items() <= instance.labels.items()


def test_the_pids_are_those_of_the_host(bench: Bench) -> None:
    name = bench.start("start-a-child").name
    bench.wait_for_line(name, "waiting")

    def find_commands() -> str:
        pids = bench.runtime.status(name).pids
        return "\n".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)

    wait_until(lambda: "start-a-child" in find_commands(), what="the engine's process")
    wait_until(lambda: "child-of-the-engine" in find_commands(), what="its child")


def test_starting_what_runs_answers_the_one_that_runs(bench: Bench) -> None:
    workload = bench.workload()
    first = bench.runtime.start(workload)

    second = bench.another().start(workload)

    assert second.state is InstanceState.RUNNING
    assert second.reference == first.reference


def test_two_that_start_the_same_at_once_start_it_once(any_bench: Bench) -> None:
    workload = any_bench.workload()
    runtimes = [any_bench.runtime, any_bench.another()]
    meet = threading.Barrier(2)

    def start(number: int) -> str:
        meet.wait(5)
        return runtimes[number].start(workload).reference

    with ThreadPoolExecutor(2) as pool:
        references = set(pool.map(start, range(2)))

    assert len(references) == 1
    assert len(any_bench.runtime.list_instances(any_bench.slot_id)) == 1


def test_a_simulated_engine_answers_at_its_base_url(bench: Bench) -> None:
    arguments = ("serve", "a-model", "--sim-startup-seconds", "0")
    workload = bench.workload(is_simulated=True, arguments=arguments)

    instance = bench.runtime.start(workload)

    def ask() -> bool:
        try:
            return httpx.get(f"{instance.base_url}/health", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    wait_until(ask, what="the simulated engine to answer")
    bench.runtime.ask_to_stop(workload.name)
    assert bench.wait_for(workload.name, InstanceState.EXITED).exit_code == 0


def test_nothing_is_known_of_a_name_that_was_never_started(any_bench: Bench) -> None:
    runtime = any_bench.runtime

    assert runtime.status("gateway-test-nobody").state is InstanceState.ABSENT
    runtime.ask_to_stop("gateway-test-nobody")
    runtime.remove("gateway-test-nobody")
    with pytest.raises(RuntimeFailure):
        runtime.follow_log("gateway-test-nobody")
    assert list(runtime.list_instances(any_bench.slot_id)) == []


@pytest.mark.parametrize(("behaviour", "exit_code"), [("exit-with-3", 3), ("kill-itself", 137)])
def test_an_engine_that_ended_tells_its_exit_code(bench: Bench, behaviour: str, exit_code: int) -> None:
    name = bench.start(behaviour).name

    instance = bench.wait_for(name, InstanceState.EXITED)

    assert instance.exit_code == exit_code
    assert not instance.was_oom_killed
    assert instance.pids == ()
    assert bench.another().status(name).exit_code == exit_code


def test_an_engine_that_ended_is_not_started_again(bench: Bench) -> None:
    workload = bench.start("exit-with-3")
    bench.wait_for(workload.name, InstanceState.EXITED)

    with pytest.raises(RuntimeFailure, match="remove it"):
        bench.runtime.start(workload)


def test_asking_to_stop_is_a_sigterm(bench: Bench) -> None:
    name = bench.start("exit-on-sigterm").name
    bench.wait_for_line(name, "waiting")

    bench.runtime.ask_to_stop(name)

    assert bench.wait_for(name, InstanceState.EXITED).exit_code == 5
    bench.runtime.ask_to_stop(name)


def test_an_engine_that_ignores_sigterm_goes_by_removal(bench: Bench) -> None:
    name = bench.start("ignore-sigterm").name
    bench.wait_for_line(name, "waiting")

    bench.runtime.ask_to_stop(name)
    bench.wait_for_line(name, "not yet")
    instance = bench.runtime.status(name)
    bench.runtime.remove(name)

    assert instance.state is InstanceState.RUNNING
    assert bench.runtime.status(name).state is InstanceState.ABSENT
    assert list(bench.runtime.list_instances(bench.slot_id)) == []
    assert instance.pids
    assert not any(is_alive(pid) for pid in instance.pids)


def test_what_an_engine_started_ends_with_it(bench: Bench) -> None:
    name = bench.start("start-a-child").name
    bench.wait_for_line(name, "waiting")
    wait_until(lambda: len(bench.runtime.status(name).pids) >= 2, what="both processes")
    pids = bench.runtime.status(name).pids

    bench.runtime.ask_to_stop(name)
    bench.wait_for(name, InstanceState.EXITED)

    wait_until(lambda: not any(is_alive(pid) for pid in pids), what="the child to end")


def test_many_may_remove_the_same_at_once(bench: Bench) -> None:
    name = bench.start().name
    runtimes = [bench.another() for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda runtime: runtime.remove(name), runtimes))

    assert bench.runtime.status(name).state is InstanceState.ABSENT


def test_a_removed_name_can_be_started_again(bench: Bench) -> None:
    workload = bench.start()
    bench.runtime.remove(workload.name)

    assert bench.runtime.start(workload).state is InstanceState.RUNNING


def test_only_the_slots_own_engines_are_listed_whatever_their_state(any_bench: Bench) -> None:
    running = any_bench.start()
    ended = any_bench.start("exit-with-3")
    any_bench.start(slot_id="another-slot")
    any_bench.wait_for(ended.name, InstanceState.EXITED)

    listed = any_bench.another().list_instances(any_bench.slot_id)

    assert {instance.name: instance.state for instance in listed} == {
        running.name: InstanceState.RUNNING,
        ended.name: InstanceState.EXITED,
    }


def test_a_log_is_followed_from_its_beginning_in_whole_lines(bench: Bench) -> None:
    name = bench.start("log-until-sigterm").name
    bench.wait_for_line(name, "waiting")
    follower = bench.follow(name)

    lines = read_until(follower, lambda lines: "waiting" in lines)
    bench.runtime.ask_to_stop(name)
    lines += read_until(follower, lambda lines: "stopped" in lines)

    assert [line for line in lines if line.startswith("loading")] == ["loading 50%", "loading 100%"]
    printed = [line for line in lines if not line.startswith(("loading", "stopped"))]
    assert printed == ["first of stdout", "café", "x" * 40_000, "the end", "waiting"]
    assert follower.read() == []


def test_the_last_line_comes_even_without_its_end(bench: Bench) -> None:
    name = bench.start("print-a-log").name

    lines = bench.read_log(name)

    assert sorted(lines) == sorted(
        ["first of stdout", "loading 50%", "loading 100%", "café", "x" * 40_000, "the end"]
    )


def test_closing_lets_engines_run_on(any_bench: Bench) -> None:
    name = any_bench.start().name

    any_bench.runtime.close()

    assert any_bench.another().status(name).state is InstanceState.RUNNING


def test_an_engine_gets_its_own_environment_and_secrets_but_not_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "the-gateways-own")
    monkeypatch.setenv("SOME_PASSWORD", "hunter2")
    name = bench.start(
        "print-environment",
        environment={"NCCL_P2P_DISABLE": "1"},
        secret_environment=SECRETS,
        hub_environment=HUB_SECRETS,
    ).name

    bench.wait_for(name, InstanceState.EXITED)
    lines = bench.wait_for_line(name, "VLLM_API_KEY=")

    environment = dict(line.split("=", 1) for line in lines)
    assert environment["NCCL_P2P_DISABLE"] == "1"
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert {key: environment[key] for key in SECRETS} == SECRETS
    assert environment.keys().isdisjoint(HUB_SECRETS)
    assert not environment.keys() & {"SECRET_KEY", "JWT_SECRET", "DATABASE_URL", "SOME_PASSWORD"}


def test_engine_whose_weights_were_fetched_asks_the_hub_nothing(bench: Bench) -> None:
    fetched = bench.start("print-environment", environment={"HF_HUB_OFFLINE": "0"}).name
    unknown = bench.start(arguments=("serve", "print-environment", "--load-format", "dummy")).name
    for name in (fetched, unknown):
        bench.wait_for(name, InstanceState.EXITED)

    assert "HF_HUB_OFFLINE=1" in bench.wait_for_line(fetched, "PYTHONUNBUFFERED")
    assert not any("HF_HUB_OFFLINE" in line for line in bench.wait_for_line(unknown, "PYTHONUNBUFFERED"))


def test_secrets_appear_nowhere_but_in_the_engine(bench: Bench) -> None:
    workload = bench.workload(secret_environment=SECRETS, hub_environment=HUB_SECRETS)
    instance = bench.runtime.start(workload)
    bench.wait_for_line(workload.name, "waiting")

    told = [
        repr(workload),
        repr(instance),
        json.dumps(bench.runtime.describe()),
        *bench.follow(workload.name).read(),
    ]

    assert not any(secret in text for secret in (SECRETS | HUB_SECRETS).values() for text in told)
    assert bench.runtime.describe()["has_hf_token"] is True


def test_nothing_is_fetched_for_a_simulated_engine(bench: Bench) -> None:
    workload: Workload = bench.workload(is_simulated=True, arguments=("serve", "nobody/has-this"))
    reports: list[object] = []

    digest = bench.runtime.prefetch(workload, reports.append, threading.Event())

    assert reports == []
    assert digest == bench.runtime.start(workload).image_digest


def test_the_description_is_json_and_names_no_problem(bench: Bench) -> None:
    description = bench.runtime.describe()

    assert json.loads(json.dumps(description)) == description
    assert description["problem"] == ""
    assert description["free_bytes"] > 0

"""Switches of profiles that need GPUs: containers that ask for cards, memory that has to become free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from gateway.tests.docker_engine.fixtures import SIMULATOR_IMAGE
from gateway.tests.docker_engine.nvidia_hook import GPU_UUIDS
from gateway.tests.live import wait_until
from modelops.tests.hardware.conftest import machine, stub_library
from modelops.tests.hardware.stub import StubMachine
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_failures import profile_of
from modelops.tests.switcher.test_replicas import serving, wait_for_replicas
from modelops.tests.switcher.test_two_slots import check_two_slots

__all__ = ["machine", "stub_library"]

pytestmark = [pytest.mark.docker]

FOREIGN = ("card 0 memory 24576 20000", "card 0 compute 4711 19990 somebody-elses-training")


@pytest.fixture
def gpu_bench(
    stores: Stores, tmp_path: Path, gpu_docker_engine: DockerEngine, machine: StubMachine
) -> Iterator[SwitchBench]:
    machine.set_state()
    with open_on(stores, tmp_path, gpu_docker_engine, machine) as bench:
        bench.save_real_profile("a", image=SIMULATOR_IMAGE, tensor_parallel_size=1)
        bench.save_real_profile("b", image=SIMULATOR_IMAGE, tensor_parallel_size=2)
        bench.start_switcher()
        bench.wait_for_gpus()
        yield bench


def open_on(stores: Stores, folder: Path, engine: DockerEngine, machine: StubMachine) -> Any:
    return open_bench(
        stores,
        folder,
        DOCKER_HOST=engine.host,
        LD_LIBRARY_PATH=str(machine.library),
        NVML_STUB_STATE=str(machine.state),
        SWITCH_CLEAR_TIMEOUT="2",
        SWITCHER_LEASE="1",
    )


def test_the_container_gets_the_cards_that_the_plan_chose(
    gpu_bench: SwitchBench, gpu_docker_engine: DockerEngine
) -> None:
    one = gpu_bench.switch_and_settle("a")
    both = gpu_bench.switch_and_settle("b")
    rows = gpu_bench.look()

    client = gpu_docker_engine.client()
    container = client.containers.get(rows["workloads"][0]["name"])
    requests = container.attrs["HostConfig"]["DeviceRequests"]
    client.close()
    assert (one["state"], both["state"]) == ("active", "active")
    assert one["plan"]["gpu_uuids"] == [GPU_UUIDS[0]]
    assert requests[0]["DeviceIDs"] == list(GPU_UUIDS)
    assert profile_of(rows) == "b"


def test_a_switcher_that_has_just_begun_reads_the_cards_before_it_plans(
    gpu_bench: SwitchBench, gpu_docker_engine: DockerEngine, machine: StubMachine
) -> None:
    gpu_bench.switch_and_settle("a")
    gpu_bench.end_switcher(gpu_bench.switcher)
    # The lease that it leaves behind ends before the cards have been read.
    machine.set_state("slow 3000")
    switch_id = gpu_bench.request("b")

    gpu_bench.start_switcher()
    rows = gpu_bench.wait_until_settled()

    client = gpu_docker_engine.client()
    container = client.containers.get(rows["workloads"][0]["name"])
    requests = container.attrs["HostConfig"]["DeviceRequests"]
    client.close()
    assert gpu_bench.find_switch(switch_id)["plan"]["gpu_uuids"] == list(GPU_UUIDS)
    assert requests[0]["DeviceIDs"] == list(GPU_UUIDS)
    assert profile_of(rows) == "b"


def test_memory_that_somebody_else_holds_refuses_the_plan_and_names_no_victim(
    gpu_bench: SwitchBench, machine: StubMachine
) -> None:
    gpu_bench.switch_and_settle("a")
    machine.set_state(*FOREIGN)
    gpu_bench.wait_for_gpus(used_mib=20000)

    with pytest.raises(AssertionError, match="DoesNotFit"):
        gpu_bench.request("b")

    assert profile_of(gpu_bench.look()) == "a"


def test_memory_that_does_not_become_free_fails_the_switch_and_names_who_holds_it(
    gpu_bench: SwitchBench, machine: StubMachine
) -> None:
    gpu_bench.switch_and_settle("b")
    machine.set_state(*FOREIGN)
    gpu_bench.wait_for_gpus(used_mib=20000)

    switch = gpu_bench.switch_and_settle("a", force=True)

    notes = [each["message"] for each in gpu_bench.look()["events"] if each["kind"] == "note"]
    assert switch["state"] == "rolled_back"
    assert profile_of(gpu_bench.look()) == "b"
    assert switch["root_cause"]["code"] == "memory_held"
    assert "somebody-elses-training" in switch["root_cause"]["message"]
    assert any("forced over: does_not_fit" in note for note in notes)


def test_two_models_chat_at_once_in_containers_and_none_notices_a_switch_of_the_other(
    stores: Stores, tmp_path: Path, gpu_docker_engine: DockerEngine, machine: StubMachine
) -> None:
    machine.set_state()
    with open_on(stores, tmp_path, gpu_docker_engine, machine) as bench:
        for slug in ("a", "b", "c"):
            bench.save_real_profile(slug, image=SIMULATOR_IMAGE, tensor_parallel_size=1)
        bench.start_switcher()
        bench.wait_for_gpus()

        check_two_slots(bench)


def test_a_docker_engine_without_gpus_refuses_the_start_and_the_old_profile_comes_back(
    stores: Stores, tmp_path: Path, docker_engine: DockerEngine, simulator_image: str, machine: StubMachine
) -> None:
    machine.set_state()
    with open_on(stores, tmp_path, docker_engine, machine) as bench:
        bench.save_profile("a", runtime="docker", image=simulator_image)
        bench.save_real_profile("b", image=simulator_image, tensor_parallel_size=1)
        bench.start_switcher()
        bench.wait_for_gpus()
        bench.switch_and_settle("a")

        switch = bench.switch_and_settle("b")
        rows = bench.look()

    assert switch["state"] == "rolled_back"
    assert switch["root_cause"]["code"] == "gpu_unavailable"
    assert profile_of(rows) == "a"


def test_each_replica_has_cards_of_its_own_also_after_it_was_replaced(
    gpu_bench: SwitchBench, gpu_docker_engine: DockerEngine
) -> None:
    gpu_bench.save_real_profile("a", image=SIMULATOR_IMAGE, tensor_parallel_size=1, replicas=2)
    gpu_bench.switch_and_settle("a")
    first = wait_for_replicas(gpu_bench, 2)
    gpu_bench.save_real_profile(
        "a", image=SIMULATOR_IMAGE, tensor_parallel_size=1, replicas=2, max_model_len=2048
    )

    rolled = gpu_bench.switch_and_settle("a")
    wait_until(lambda: {2048} == {each["max_model_len"] for each in serving(gpu_bench.look()).values()})
    second = wait_for_replicas(gpu_bench, 2)

    client = gpu_docker_engine.client()
    containers = [client.containers.get(each["name"]) for each in second["workloads"]]
    cards = [each.attrs["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] for each in containers]
    client.close()
    assert (rolled["state"], rolled["plan"]["kind"]) == ("active", "roll")
    assert sorted(cards) == sorted([uuid] for uuid in GPU_UUIDS)
    for rows in (first, second):
        assert sorted(each["gpus"] for each in serving(rows).values()) == sorted([u] for u in GPU_UUIDS)

"""How an engine is started in a container, and each way in which Docker refuses to."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.tests.docker_engine.fixtures import SIMULATOR_IMAGE
from gateway.tests.docker_engine.nvidia_hook import GPU_UUIDS
from gateway.tests.live import wait_until
from modelops.runtimes.base import InstanceState, RuntimeFailure, Workload
from modelops.tests.runtimes.benches import SECRETS, DockerBench

if TYPE_CHECKING:
    from gateway.tests.docker_engine.daemon import DockerEngine

pytestmark = [pytest.mark.docker]


@pytest.fixture
def gpu_bench(gpu_docker_engine: DockerEngine) -> Iterator[DockerBench]:
    bench = DockerBench(gpu_docker_engine, SIMULATOR_IMAGE)
    yield bench
    bench.dispose()


def create_by_hand(bench: DockerBench, workload: Workload, **options: Any) -> None:
    """The container of a start that got no further, with options that the runtime never gives."""
    api = bench.engine.client().api
    host = api.create_host_config(**options)
    api.create_container(
        bench.image,
        list(workload.arguments),
        entrypoint=["vllm"],
        name=workload.name,
        labels=workload.labels,
        host_config=host,
        ports=[8000],
    )


def test_a_missing_image_is_named_and_leaves_nothing(docker_bench: DockerBench) -> None:
    workload = docker_bench.workload(image="nobody/has-this:v1")

    with pytest.raises(RuntimeFailure, match="nobody/has-this") as caught:
        docker_bench.runtime.start(workload)

    assert caught.value.code == "image_missing"
    assert docker_bench.runtime.status(workload.name).state is InstanceState.ABSENT


def test_a_gpu_request_without_the_toolkit_says_what_to_install(docker_bench: DockerBench) -> None:
    workload = docker_bench.workload(gpu_uuids=GPU_UUIDS)

    with pytest.raises(RuntimeFailure, match="NVIDIA container toolkit") as caught:
        docker_bench.runtime.start(workload)

    assert caught.value.code == "gpu_unavailable"
    assert docker_bench.runtime.status(workload.name).state is InstanceState.CREATED
    docker_bench.runtime.remove(workload.name)
    assert docker_bench.runtime.status(workload.name).state is InstanceState.ABSENT


def test_gpus_are_requested_by_their_uuids(gpu_bench: DockerBench) -> None:
    workload = gpu_bench.start("a-model", gpu_uuids=GPU_UUIDS[:1])

    request = gpu_bench.inspect(workload.name)["HostConfig"]["DeviceRequests"]

    assert gpu_bench.runtime.status(workload.name).state is InstanceState.RUNNING
    assert [item["DeviceIDs"] for item in request] == [list(GPU_UUIDS[:1])]


def test_a_gpu_that_the_driver_does_not_know_is_named(gpu_bench: DockerBench) -> None:
    workload = gpu_bench.workload("a-model", gpu_uuids=("GPU-of-another-machine",))

    with pytest.raises(RuntimeFailure, match="GPU-of-another-machine") as caught:
        gpu_bench.runtime.start(workload)

    assert caught.value.code == "gpu_unavailable"


def test_an_engine_without_gpus_asks_for_none(docker_bench: DockerBench) -> None:
    name = docker_bench.start("print-environment").name

    docker_bench.wait_for(name, InstanceState.EXITED)

    assert "NVIDIA_VISIBLE_DEVICES=void" in docker_bench.wait_for_line(name, "VLLM_CACHE_ROOT")
    assert not docker_bench.inspect(name)["HostConfig"]["DeviceRequests"]


def test_a_taken_port_is_told_from_other_failures(docker_bench: DockerBench) -> None:
    workload = docker_bench.workload()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        binding = ("127.0.0.1", taken.getsockname()[1])
        create_by_hand(docker_bench, workload, port_bindings={8000: binding})

        with pytest.raises(RuntimeFailure) as caught:
            docker_bench.runtime.start(workload)

    assert caught.value.code == "port_in_use"


def test_a_strangers_container_of_that_name_is_left_alone(docker_bench: DockerBench) -> None:
    workload = docker_bench.workload()
    client = docker_bench.engine.client()
    stranger = client.containers.create(docker_bench.image, ["serve", "wait"], name=workload.name)

    with pytest.raises(RuntimeFailure, match="not ours") as caught:
        docker_bench.runtime.start(workload)

    stranger.reload()
    assert caught.value.code == "name_taken"
    assert stranger.status == "created"


def test_a_container_that_was_made_but_never_started_is_started(docker_bench: DockerBench) -> None:
    workload = docker_bench.workload()
    create_by_hand(docker_bench, workload)
    assert docker_bench.runtime.status(workload.name).state is InstanceState.CREATED

    assert docker_bench.runtime.start(workload).state is InstanceState.RUNNING


def test_an_image_without_vllm_says_so_in_the_log(docker_bench: DockerBench, tmp_path: Path) -> None:
    subprocess.run(["tar", "-cf", tmp_path / "empty.tar", "-T", "/dev/null"], check=True)
    api = docker_bench.engine.client().api
    api.import_image(str(tmp_path / "empty.tar"), repository="gateway-test/empty", tag="v1")
    workload = docker_bench.workload(image="gateway-test/empty:v1")

    docker_bench.runtime.start(workload)

    assert docker_bench.wait_for(workload.name, InstanceState.EXITED).exit_code == 127
    assert docker_bench.wait_for_line(workload.name, "exec vllm failed")


def test_an_engine_killed_for_memory_says_so(docker_bench: DockerBench) -> None:
    workload = docker_bench.workload("fill-memory")
    create_by_hand(docker_bench, workload, mem_limit="48m", memswap_limit="48m", init=True)
    docker_bench.runtime.start(workload)

    instance = docker_bench.wait_for(workload.name, InstanceState.EXITED)

    assert instance.was_oom_killed
    assert instance.exit_code == 137


def test_a_container_that_somebody_removed_is_absent(docker_bench: DockerBench) -> None:
    workload = docker_bench.start()
    docker_bench.engine.client().containers.get(workload.name).remove(force=True)

    assert docker_bench.runtime.status(workload.name).state is InstanceState.ABSENT
    assert list(docker_bench.runtime.list_instances(docker_bench.slot_id)) == []
    docker_bench.runtime.ask_to_stop(workload.name)
    docker_bench.runtime.remove(workload.name)


def test_no_port_is_published_and_the_network_is_our_own(docker_bench: DockerBench) -> None:
    workload = docker_bench.start()

    attributes = docker_bench.inspect(workload.name)

    networks = attributes["NetworkSettings"]["Networks"]
    assert list(networks) == [docker_bench.network]
    assert not any((attributes["NetworkSettings"]["Ports"] or {}).values())
    base_url = docker_bench.runtime.status(workload.name).base_url
    assert base_url == f"http://{networks[docker_bench.network]['IPAddress']}:8000"


def test_a_published_port_is_where_the_engine_answers(
    docker_engine: DockerEngine, simulator_image: str
) -> None:
    bench = DockerBench(docker_engine, simulator_image, engine_publish_address="127.0.0.1")
    try:
        workload = bench.start("a-model", arguments=("serve", "a-model", "--sim-startup-seconds", "0"))

        base_url = bench.runtime.status(workload.name).base_url

        assert base_url.startswith("http://127.0.0.1:")
        assert wait_until(lambda: answers(base_url), what="the engine to answer")
    finally:
        bench.dispose()


def answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/health", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_caches_are_volumes_and_shared_memory_is_large(docker_bench: DockerBench) -> None:
    workload = docker_bench.start()

    attributes = docker_bench.inspect(workload.name)

    mounts = {mount["Destination"]: (mount["Type"], mount["Name"]) for mount in attributes["Mounts"]}
    assert mounts == {
        "/root/.cache/huggingface": ("volume", "gateway-test-huggingface"),
        "/root/.cache/vllm": ("volume", "gateway-test-vllm"),
    }
    assert attributes["HostConfig"]["ShmSize"] == 16 * 2**30
    assert attributes["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_a_cache_may_be_a_folder(docker_engine: DockerEngine, scripted_image: str, tmp_path: Path) -> None:
    bench = DockerBench(docker_engine, scripted_image, huggingface_cache=str(tmp_path))
    try:
        workload = bench.start()

        mounts = {mount["Destination"]: mount["Source"] for mount in bench.inspect(workload.name)["Mounts"]}

        assert mounts["/root/.cache/huggingface"] == str(tmp_path)
    finally:
        bench.dispose()


def test_secrets_are_only_in_the_containers_environment(docker_bench: DockerBench) -> None:
    workload = docker_bench.start(secret_environment=SECRETS)

    attributes = docker_bench.inspect(workload.name)
    environment = attributes["Config"].pop("Env")

    assert {f"{name}={value}" for name, value in SECRETS.items()} <= set(environment)
    assert not any(secret in repr(attributes) for secret in SECRETS.values())


def test_a_recorded_image_is_started_exactly_although_its_tag_moved_on(
    docker_bench: DockerBench, simulator_image: str
) -> None:
    api = docker_bench.engine.client().api
    api.tag(docker_bench.image, "gateway-test/moving", "v1")
    first = docker_bench.start(image="gateway-test/moving:v1")
    digest = docker_bench.runtime.status(first.name).image_digest
    api.tag(simulator_image, "gateway-test/moving", "v1", force=True)

    second = docker_bench.start(image=digest)

    assert docker_bench.inspect(second.name)["Image"] == docker_bench.inspect(first.name)["Image"]
    assert docker_bench.runtime.status(second.name).image_digest == digest
    # What the first one runs does not change with the tag either.
    assert docker_bench.runtime.status(first.name).image_digest == digest


def test_the_description_lists_images_and_is_honest_about_gpus(
    docker_bench: DockerBench, gpu_bench: DockerBench
) -> None:
    description = docker_bench.runtime.describe()

    assert docker_bench.image in description["images"]
    assert description["version"]
    # Plain engines show nothing of GPUs; only the hook on the machine's PATH would be a hint.
    expected = True if shutil.which("nvidia-container-runtime-hook") else None
    assert description["can_use_gpus"] is expected


def test_an_engine_starts_while_somebody_else_takes_a_second_network_of_its_name_away(
    docker_bench: DockerBench,
) -> None:
    """What two switchers leave for an instant. Docker starts nothing in a name that two networks share."""
    api, name = docker_bench.engine.client().api, docker_bench.network
    first, second = (api.create_network(name, driver="bridge")["Id"] for _ in range(2))
    removal = threading.Timer(0.3, api.remove_network, [second])
    removal.start()

    instance = docker_bench.runtime.start(docker_bench.workload())

    removal.join()
    assert instance.state is InstanceState.RUNNING
    assert [each["Id"] for each in api.networks(names=[name])] == [first]

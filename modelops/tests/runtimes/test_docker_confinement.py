"""What an engine's container may do: no more than serve."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelops.runtimes.base import InstanceState
from modelops.runtimes.docker_containers import ContainerOptions
from modelops.tests.runtimes.benches import HUB_SECRETS, DockerBench

if TYPE_CHECKING:
    from gateway.tests.docker_engine.daemon import DockerEngine

pytestmark = [pytest.mark.docker]


def test_engine_has_no_capability_and_cannot_change_its_weights(docker_bench: DockerBench) -> None:
    name = docker_bench.start("try-what-is-forbidden").name
    docker_bench.wait_for(name, InstanceState.EXITED)

    said = docker_bench.wait_for_line(name, "the end")

    none = "0" * 16
    assert said == [
        f"CapEff: {none}",
        f"CapBnd: {none}",
        "NoNewPrivs: 1",
        "/root/.cache/huggingface: Read-only file system",
        "wrote to /root/.cache/vllm",
        "the end",
    ]


def test_engine_that_fetches_for_itself_keeps_what_it_fetched_to_itself(docker_bench: DockerBench) -> None:
    arguments = ("serve", "wait", "--load-format", "dummy")
    workload = docker_bench.start(arguments=arguments)

    mounts = {mount["Destination"] for mount in docker_bench.inspect(workload.name)["Mounts"]}

    assert mounts == {"/root/.cache/vllm"}


def test_folder_of_the_host_is_entered_whoever_owns_it(
    docker_engine: DockerEngine, scripted_image: str, tmp_path: Path
) -> None:
    """Root without any capability may not; the one that lets it is given there, and no other."""
    tmp_path.chmod(0o700)
    os.chown(tmp_path, 12345, 12345)
    bench = DockerBench(docker_engine, scripted_image, vllm_cache=str(tmp_path))
    try:
        name = bench.start("try-what-is-forbidden").name
        bench.wait_for(name, InstanceState.EXITED)

        said = bench.wait_for_line(name, "the end")
    finally:
        os.chown(tmp_path, os.getuid(), os.getgid())
        bench.dispose()

    assert "wrote to /root/.cache/vllm" in said
    assert said[1] == "CapBnd: 0000000000000002"


@pytest.mark.parametrize("is_download", [False, True], ids=["engine", "download"])
def test_container_is_confined_and_inherits_no_health_check(
    docker_bench: DockerBench, is_download: bool
) -> None:
    api = docker_bench.engine.client().api
    labels = (("team", "x"), ("vllm-chat-gateway.slot", "y"), ("vllm-chat-gateway.download", "z"))
    options = ContainerOptions(replace(docker_bench.config, engine_labels=labels))
    workload = docker_bench.workload(hub_environment=HUB_SECRETS)
    api.create_network(docker_bench.network)
    made = (
        options.download(api, workload, docker_bench.network, ["pass"])
        if is_download
        else options.engine(api, workload, docker_bench.network)
    )

    attributes = api.inspect_container(api.create_container(**(made | {"name": workload.name})))

    host = attributes["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert 0 < host["PidsLimit"] < 100_000
    assert attributes["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    has_token = any(each.startswith("HF_TOKEN=") for each in attributes["Config"]["Env"])
    assert has_token is is_download
    ours = "vllm-chat-gateway.download" if is_download else "vllm-chat-gateway.slot"
    assert attributes["Config"]["Labels"]["team"] == "x"
    assert attributes["Config"]["Labels"][ours] == workload.slot_id

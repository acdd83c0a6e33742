"""A Docker engine that is absent, forbidden, slow, or goes away and comes back."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.conf import GatewayConfig
from gateway.tests.docker_engine.fixtures import SIMULATOR_IMAGE, run_docker_engine
from gateway.tests.docker_engine.root_filesystem import import_image
from gateway.tests.live import wait_until
from modelops.runtimes import docker_connection, docker_logs
from modelops.runtimes.base import InstanceState, RuntimeUnavailable
from modelops.runtimes.docker_runtime import DockerRuntime
from modelops.tests.runtimes.benches import DockerBench, build_scripted_image, read_until


def test_without_docker_every_call_says_that_it_does_not_answer(tmp_path: Path) -> None:
    runtime = DockerRuntime(GatewayConfig(docker_host=f"unix://{tmp_path}/nothing.sock"))

    assert "does not answer" in runtime.describe()["problem"]
    for call in (
        lambda: runtime.status("a-name"),
        lambda: runtime.list_instances("a-slot"),
        lambda: runtime.ask_to_stop("a-name"),
        lambda: runtime.remove("a-name"),
        lambda: runtime.follow_log("a-name"),
    ):
        with pytest.raises(RuntimeUnavailable) as caught:
            call()
        assert caught.value.code == "docker_unreachable"


def test_a_socket_that_refuses_us_is_told_from_one_that_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root, who runs these tests, is refused nothing.
    monkeypatch.setattr(socket.socket, "connect", refuse)
    runtime = DockerRuntime(GatewayConfig(docker_host=f"unix://{tmp_path}/docker.sock"))

    with pytest.raises(RuntimeUnavailable, match="`docker` group") as caught:
        runtime.status("a-name")

    assert caught.value.code == "docker_permission"


@pytest.mark.docker
def test_a_docker_that_hangs_holds_us_up_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_connection, "QUICK_TIMEOUT_S", 1.0)
    with run_docker_engine() as engine:
        runtime = DockerRuntime(GatewayConfig(docker_host=engine.host))
        assert runtime.status("a-name").state is InstanceState.ABSENT

        with engine.frozen(), pytest.raises(RuntimeUnavailable) as caught:
            runtime.status("a-name")

        assert caught.value.code == "docker_unreachable"
        assert runtime.status("a-name").state is InstanceState.ABSENT
        runtime.close()


@pytest.mark.docker
def test_an_engine_outlives_a_restart_of_docker_and_so_does_its_log(simulator_root: Path) -> None:
    with run_docker_engine(is_live_restoring=True) as engine:
        import_image(engine.client(), simulator_root, SIMULATOR_IMAGE)
        image = build_scripted_image(engine, SIMULATOR_IMAGE, "gateway-test/vllm:scripted")
        bench = DockerBench(engine, image)
        name = bench.start("ignore-sigterm").name
        reference = bench.runtime.status(name).reference
        follower = bench.follow(name)
        lines = read_until(follower, lambda lines: "waiting" in lines)

        engine.stop()
        with pytest.raises(RuntimeUnavailable) as caught:
            bench.runtime.status(name)
        engine.start()
        instance = bench.runtime.status(name)
        bench.runtime.ask_to_stop(name)
        lines += read_until(follower, lambda lines: "not yet" in lines)

        assert caught.value.code == "docker_unreachable"
        assert instance.state is InstanceState.RUNNING
        assert instance.reference == reference
        assert lines == ["waiting", "not yet"]
        bench.dispose()


@pytest.mark.docker
def test_a_log_that_nobody_reads_waits_in_docker_and_not_in_memory(
    docker_bench: DockerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_logs, "MAXIMUM_WAITING_CHARACTERS", 10)
    name = docker_bench.start("print-a-log").name
    docker_bench.wait_for(name, InstanceState.EXITED)
    unread, read = docker_bench.follow(name), docker_bench.follow(name)

    first: list[str] = wait_until(read.read, what="the first lines")
    rest = read_until(read, lambda lines: "the end" in lines)
    unread.close()

    assert "the end" not in first
    assert len(first + rest) == 6
    assert sum(map(len, unread.read())) < 40_000

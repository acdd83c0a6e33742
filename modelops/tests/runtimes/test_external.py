"""The engine that is not ours, and what a machine without anything can build."""

from __future__ import annotations

import threading
from pathlib import Path

from gateway.conf import GatewayConfig
from modelops.runtimes.base import InstanceState, Workload
from modelops.runtimes.external_runtime import ExternalRuntime
from modelops.runtimes.registry import build_runtimes

WORKLOAD = Workload(
    name="engine-1",
    slot_id="slot",
    generation=1,
    profile="p",
    is_simulated=False,
    arguments=("serve", "somebody/model"),
)


def test_an_external_engine_is_there_whatever_we_do() -> None:
    runtime = ExternalRuntime(GatewayConfig(vllm_base_url="http://gpu-box:8000"))
    assert runtime.prefetch(WORKLOAD, lambda report: None, threading.Event()) == ""

    instance = runtime.start(WORKLOAD)
    runtime.ask_to_stop(WORKLOAD.name)
    runtime.remove(WORKLOAD.name)

    assert instance.state is InstanceState.RUNNING
    assert instance.base_url == "http://gpu-box:8000"
    assert runtime.status(WORKLOAD.name) == instance
    assert list(runtime.list_instances(WORKLOAD.slot_id)) == []
    assert runtime.follow_log(WORKLOAD.name).read() == []


def test_every_runtime_can_be_built_where_there_is_nothing(tmp_path: Path) -> None:
    config = GatewayConfig(
        data_dir=str(tmp_path), docker_host=f"unix://{tmp_path}/no.sock", vllm_command="no-such-vllm"
    )

    runtimes = build_runtimes(config)

    assert set(runtimes) == {"docker", "process", "external", "ray"}
    problems = {name: runtime.describe()["problem"] for name, runtime in runtimes.items()}
    assert problems.pop("docker") and problems.pop("ray")
    assert problems == {"process": "", "external": ""}
    for runtime in runtimes.values():
        runtime.close()

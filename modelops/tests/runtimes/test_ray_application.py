"""Engines as applications of Ray Serve, and what Ray Serve says of them; without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.conf import GatewayConfig
from modelops.runtimes.base import InstanceState, RuntimeFailure, RuntimeUnavailable, Workload
from modelops.runtimes.ray_application import build_application
from modelops.runtimes.ray_dashboard import build_request, collect_configs, find_serve_url
from modelops.runtimes.ray_logs import FileTail
from modelops.runtimes.ray_runtime import RayRuntime
from modelops.runtimes.ray_states import list_messages, read_instance
from modelops.simulator.process import find_free_port

SERVE_URL = "http://ray:8000"


def make_workload(*flags: str, **values: Any) -> Workload:
    defaults: dict[str, Any] = {
        "name": "vllm-default-00000000-3",
        "slot_id": "the-slot",
        "generation": 3,
        "profile": "a",
        "is_simulated": False,
        "arguments": ("serve", "maker/model", "--served-model-name", "a", "b", *flags),
        "secret_environment": {"VLLM_API_KEY": "a-secret"},
        "hub_environment": {"HF_TOKEN": "hf_secret"},
    }
    return Workload(**(defaults | values))


def build(workload: Workload) -> dict[str, Any]:
    return build_application(workload, drain_timeout_s=90.0)


def test_an_engine_becomes_an_application_of_ray_serve_llm() -> None:
    workload = make_workload(
        *("--tensor-parallel-size", "2", "--pipeline-parallel-size", "2"),
        *("--max-model-len", "8192", "--shutdown-timeout", "30", "--distributed-executor-backend", "mp"),
        accelerator_type="L40S",
        environment={"NCCL_P2P_DISABLE": "1"},
        replicas=2,
        max_replicas=2,
    )

    application = build(workload)

    variables = application["runtime_env"]["env_vars"]
    [config] = application["args"]["llm_configs"]
    assert application["name"] == "vllm-default-00000000-3"
    assert application["route_prefix"] == "/vllm-default-00000000-3"
    assert application["import_path"] == "ray.serve.llm:build_openai_app"
    assert config["model_loading_config"] == {"model_id": "a", "model_source": "maker/model"}
    assert config["engine_kwargs"] == {
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 2,
        "max_model_len": 8192,
    }
    assert config["placement_group_config"]["bundles"] == [{"GPU": 1, "accelerator_type:L40S": 0.001}] * 4
    assert config["deployment_config"]["num_replicas"] == 2
    assert config["deployment_config"]["graceful_shutdown_timeout_s"] == 90.0
    assert config["runtime_env"]["env_vars"] == variables
    assert variables["NCCL_P2P_DISABLE"] == "1"
    assert variables["CHAT_GATEWAY_SLOT"] == "the-slot"


def test_no_secret_is_part_of_an_application_which_the_dashboard_shows() -> None:
    text = str(build(make_workload()))

    assert "secret" not in text


def test_replicas_follow_the_load_between_two_numbers() -> None:
    application = build(make_workload("--max-num-seqs", "40", replicas=1, max_replicas=3))

    deployment = application["args"]["llm_configs"][0]["deployment_config"]
    assert (
        deployment["autoscaling_config"].items()
        >= {
            "min_replicas": 1,
            "max_replicas": 3,
            "target_ongoing_requests": 30.0,
        }.items()
    )


def test_an_engine_for_processors_asks_for_no_card() -> None:
    [config] = build(make_workload(accelerator_type="cpu"))["args"]["llm_configs"]

    assert config["accelerator_config"] == {"kind": "cpu"}
    assert config["placement_group_config"]["bundles"] == [{"CPU": 1.0}]


def make_details(status: str = "RUNNING", *replicas: str, **values: Any) -> dict[str, Any]:
    config = build(make_workload())
    deployment: dict[str, Any] = {"message": "", "replicas": [{"state": state} for state in replicas]}
    deployment["deployment_config"] = {"ray_actor_options": {"runtime_env": config["runtime_env"]}}
    known = {"status": status, "source": "declarative", "deployed_app_config": config, "message": ""}
    return {**known, "deployments": {"engine": deployment}, **values}


@pytest.mark.parametrize(
    ("details", "state", "is_ready"),
    [
        (None, InstanceState.ABSENT, None),
        (make_details("DEPLOYING", "STARTING"), InstanceState.RUNNING, False),
        (make_details("RUNNING", "RUNNING"), InstanceState.RUNNING, True),
        (make_details("UNHEALTHY", "RUNNING", "STARTING"), InstanceState.RUNNING, False),
        (make_details("DELETING", "STOPPING", deployed_app_config=None), InstanceState.RUNNING, False),
        (make_details("DEPLOY_FAILED", "STOPPING"), InstanceState.EXITED, False),
        (make_details("DEPLOY_FAILED", deployments={}), InstanceState.EXITED, False),
        # A change that failed has left what serves.
        (make_details("DEPLOY_FAILED", "RUNNING", "STARTING"), InstanceState.RUNNING, False),
    ],
)
def test_an_application_is_an_engine_in_a_state(
    details: dict[str, Any] | None, state: InstanceState, is_ready: bool | None
) -> None:
    instance = read_instance("vllm-default-00000000-3", details, serve_url=SERVE_URL)

    assert instance.state is state
    assert instance.is_ready is is_ready
    if details is not None and (details["deployed_app_config"] or details["deployments"]):
        assert instance.labels == make_workload().labels
        assert instance.base_url == "http://ray:8000/vllm-default-00000000-3"


def test_what_ray_serve_says_is_lines_without_colours() -> None:
    details = make_details("DEPLOY_FAILED", message="It failed.\n")
    details["deployments"]["engine"]["message"] = "\x1b[36mray::Replica\x1b[39m\n\n  no room"

    assert list_messages(details) == ["It failed.", "ray::Replica", "  no room"]


def test_what_is_not_ours_is_written_back_as_it_was_deployed() -> None:
    theirs = {"name": "theirs", "import_path": "their.module:app", "args": {"x": [1, {"y": None}]}}
    applications: dict[str, dict[str, Any]] = {
        "theirs": {"status": "RUNNING", "source": "declarative", "deployed_app_config": theirs},
        "by-hand": {"status": "RUNNING", "source": "imperative", "deployed_app_config": None},
        "going": {"status": "DELETING", "source": "declarative", "deployed_app_config": None},
    }
    serve = {"http_options": {"port": 9}, "proxy_location": "EveryNode", "target_capacity": 50.0}

    configs = collect_configs(applications)
    request = build_request(serve, configs, serve_url=SERVE_URL)

    assert request == {**serve, "applications": [theirs]}


@pytest.mark.parametrize(
    "config",
    [None, {"name": "theirs", "runtime_env": {"env_vars": {"TOKEN": "<redacted>"}}}],
)
def test_nothing_is_changed_where_one_of_theirs_could_not_be_kept(config: dict[str, Any] | None) -> None:
    applications = {"theirs": {"status": "RUNNING", "source": "declarative", "deployed_app_config": config}}

    with pytest.raises(RuntimeFailure, match="theirs"):
        collect_configs(applications)


@pytest.mark.parametrize(
    ("serve_url", "host", "port"),
    [("http://127.0.0.1:9000", "127.0.0.1", 9000), ("http://ray", "0.0.0.0", 8000)],
)
def test_ray_serve_is_started_where_requests_will_be_sent(serve_url: str, host: str, port: int) -> None:
    request = build_request({"applications": {}}, {}, serve_url=serve_url)

    assert request["http_options"] == {"host": host, "port": port}
    assert request["proxy_location"] == "HeadOnly"


def test_ray_serve_answers_on_the_dashboards_host_unless_told_otherwise() -> None:
    assert (
        find_serve_url(GatewayConfig(ray_dashboard_url="https://[fd00::1]:8265")) == "http://[fd00::1]:8000"
    )
    assert find_serve_url(GatewayConfig(ray_dashboard_url="http://ray:8265", ray_serve_url=SERVE_URL)) == (
        SERVE_URL
    )


def test_each_line_of_a_replicas_output_comes_once_however_often_its_end_is_fetched() -> None:
    tail = FileTail()
    wanted = [f"line {number % 3} of {number}" for number in range(60)]
    written = b":job_id:01000000\n"
    taken: list[str] = []

    for number, line in enumerate(wanted):
        written += line.encode()
        taken += tail.take(b"\n".join(written.split(b"\n")[-30:]))
        written += b"\n"
        if number % 7 == 0:
            taken += tail.take(b"\n".join(written.split(b"\n")[-30:]))
    taken += tail.take(written)

    assert taken == wanted


def test_of_a_cluster_that_does_not_answer_nothing_is_known(tmp_path: Path) -> None:
    closed = f"http://127.0.0.1:{find_free_port()}"
    runtime = RayRuntime(GatewayConfig(data_dir=str(tmp_path), ray_dashboard_url=closed))

    for ask in (
        lambda: runtime.status("vllm-default-00000000-3"),
        lambda: runtime.list_instances("the-slot"),
        lambda: runtime.start(make_workload()),
        lambda: runtime.remove("vllm-default-00000000-3"),
    ):
        with pytest.raises(RuntimeUnavailable) as caught:
            ask()
        assert caught.value.code == "ray_unreachable"
    described = runtime.describe()
    runtime.close()
    assert described["code"] == "ray_unreachable"
    assert "The Ray cluster does not answer" in described["problem"]


def test_without_a_cluster_its_profiles_are_refused_and_nothing_is_asked(tmp_path: Path) -> None:
    runtime = RayRuntime(GatewayConfig(data_dir=str(tmp_path)))

    with pytest.raises(RuntimeUnavailable, match="RAY_DASHBOARD_URL"):
        runtime.status("vllm-default-00000000-3")
    assert "RAY_DASHBOARD_URL is not set" in runtime.describe()["problem"]

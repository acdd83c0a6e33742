"""An engine as an application of Ray Serve, in the form of its REST API (`ServeApplicationSchema`).

vLLM becomes an application of `ray.serve.llm`, whose `LLMConfig` takes the engine's flags as keywords; the
simulated engine one of `modelops.simulator.ray_app`. The gateway needs no package of Ray's for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelops.domain.clusters import CPUS_PER_REPLICA, NO_CARD
from modelops.domain.profiles.engine_kwargs import ServeCommand, read_serve_command
from modelops.runtimes.base import GENERATION_LABEL, PROFILE_LABEL, SLOT_LABEL, Workload

VARIABLES: Mapping[str, str] = {
    SLOT_LABEL: "CHAT_GATEWAY_SLOT",
    GENERATION_LABEL: "CHAT_GATEWAY_GENERATION",
    PROFILE_LABEL: "CHAT_GATEWAY_PROFILE",
}
"""The labels as variables of an application's environment: Ray Serve's applications have no labels."""
LLM_BUILDER = "ray.serve.llm:build_openai_app"
SIMULATOR_BUILDER = "modelops.simulator.ray_app:build"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
LEFT_TO_RAY = frozenset({"shutdown_timeout", "distributed_executor_backend"})
"""Keywords that Ray Serve decides itself."""
TARGET_SHARE = 0.75
DEFAULT_TARGET = 64
"""Requests in a replica beyond which another one is started, where the profile names no batch."""
UNBOUNDED_REQUESTS = 1_000_000
"""The gateway bounds requests, and the engine queues them."""


def build_application(workload: Workload, *, drain_timeout_s: float) -> dict[str, Any]:
    """The application of this workload, under its name and its name as path.

    `drain_timeout_s` is what its running requests get when it is deleted.
    """
    call = read_serve_command(workload.arguments)
    is_simulated = workload.is_simulated
    build_args = _build_simulator_args if is_simulated else _build_llm_args
    deployment = _build_deployment(workload, call, drain_timeout_s=drain_timeout_s)
    return {
        "name": workload.name,
        "route_prefix": build_route_prefix(workload.name),
        "import_path": SIMULATOR_BUILDER if is_simulated else LLM_BUILDER,
        "args": build_args(workload, call, deployment),
        "runtime_env": {"env_vars": _build_variables(workload)},
        "logging_config": {"enable_access_log": False},
    }


def resize_application(application: Mapping[str, Any], workload: Workload, deployment: str) -> dict[str, Any]:
    """The application with another fixed number of replicas, for which Ray Serve restarts none.

    Bounds of a number that follows the load are part of the code version (`get_app_code_version`,
    ray/serve/_private/deploy_utils.py): with others it would restart all.
    """
    return {**application, "deployments": [{"name": deployment, "num_replicas": workload.replicas}]}


def build_route_prefix(name: str) -> str:
    return f"/{name}"


def _build_variables(workload: Workload) -> dict[str, str]:
    variables = dict(workload.environment)
    if workload.is_simulated:
        variables["PYTHONPATH"] = str(PACKAGE_ROOT)
    return variables | {VARIABLES[label]: value for label, value in workload.labels.items()}


def _build_deployment(workload: Workload, call: ServeCommand, *, drain_timeout_s: float) -> dict[str, Any]:
    """Options of the deployment that holds the engines."""
    options: dict[str, Any] = {
        "max_ongoing_requests": UNBOUNDED_REQUESTS,
        # One try: what is wrong with it will be so the next time, and the old engine is to come back soon.
        "max_constructor_retry_count": 1,
        "graceful_shutdown_timeout_s": drain_timeout_s,
        "graceful_shutdown_wait_loop_s": 1.0,
    }
    return options | build_scale(workload, call)


def build_scale(workload: Workload, call: ServeCommand) -> dict[str, Any]:
    """How many replicas there are: so many, or between two numbers by the requests that each has."""
    if workload.max_replicas <= workload.replicas:
        return {"num_replicas": workload.replicas}
    batch = call.kwargs.get("max_num_seqs")
    target = max(1.0, batch * TARGET_SHARE) if isinstance(batch, int) else DEFAULT_TARGET
    return {
        "autoscaling_config": {
            "min_replicas": workload.replicas,
            "max_replicas": workload.max_replicas,
            "target_ongoing_requests": target,
            "metrics_interval_s": 2.0,
            "look_back_period_s": 6.0,
            "upscale_delay_s": 5.0,
            "downscale_delay_s": 600.0,
        }
    }


def _build_simulator_args(
    workload: Workload, call: ServeCommand, deployment: Mapping[str, Any]
) -> dict[str, Any]:
    options = {**deployment, "ray_actor_options": {"num_cpus": CPUS_PER_REPLICA}}
    return {"arguments": list(workload.arguments), "options": options}


def _build_llm_args(workload: Workload, call: ServeCommand, deployment: Mapping[str, Any]) -> dict[str, Any]:
    """`LLMServingArgs` of ray.serve.llm. The cards are bundles of a placement group, one for each.

    A node's type of cards is asked for as the resource that Ray makes of it: `LLMConfig.accelerator_type`
    takes only the types on Ray's list, on which consumers' cards are missing.
    """
    config: dict[str, Any] = {
        "model_loading_config": {"model_id": call.served_names[0], "model_source": call.model},
        "engine_kwargs": {name: value for name, value in call.kwargs.items() if name not in LEFT_TO_RAY},
        "placement_group_config": {"bundles": [_build_bundle(workload)] * call.cards, "strategy": "PACK"},
        "deployment_config": dict(deployment),
        "runtime_env": {"env_vars": _build_variables(workload)},
    }
    if workload.accelerator_type == NO_CARD:
        config["accelerator_config"] = {"kind": "cpu"}
    return {"llm_configs": [config]}


def _build_bundle(workload: Workload) -> dict[str, float]:
    if workload.accelerator_type == NO_CARD:
        return {"CPU": CPUS_PER_REPLICA}
    bundle: dict[str, float] = {"GPU": 1}
    if workload.accelerator_type:
        bundle[f"accelerator_type:{workload.accelerator_type}"] = 0.001
    return bundle

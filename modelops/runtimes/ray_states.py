"""What Ray Serve says of an application, as the gateway sees an engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from modelops.runtimes.base import Instance, InstanceState
from modelops.runtimes.ray_application import VARIABLES, build_route_prefix

RUNNING = "RUNNING"
FAILED = "DEPLOY_FAILED"
FAILED_EXIT = 1
"""Ray Serve tells no exit code."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read_instance(name: str, application: Mapping[str, Any] | None, *, serve_url: str) -> Instance:
    """An application that failed while none of its replicas runs has ended; any other is running.

    One that is being deleted runs until Ray Serve has forgotten it.
    """
    if application is None:
        return Instance(name, InstanceState.ABSENT)
    has_failed = application.get("status") == FAILED and not count_replicas(application)
    return Instance(
        name,
        InstanceState.EXITED if has_failed else InstanceState.RUNNING,
        reference=name,
        base_url=f"{serve_url}{build_route_prefix(name)}",
        exit_code=FAILED_EXIT if has_failed else None,
        started_at=_find_start(application),
        labels=read_labels(application),
        is_ready=application.get("status") == RUNNING,
    )


def read_labels(application: Mapping[str, Any]) -> dict[str, str]:
    """Ours, from the environment of the application or of its deployments; empty for what is not ours."""
    environments = [application.get("deployed_app_config") or {}]
    environments += [
        (deployment.get("deployment_config") or {}).get("ray_actor_options") or {}
        for deployment in _list_deployments(application)
    ]
    for each in environments:
        variables = (each.get("runtime_env") or {}).get("env_vars") or {}
        if labels := {label: variables[name] for label, name in VARIABLES.items() if name in variables}:
            return labels
    return {}


def count_replicas(application: Mapping[str, Any]) -> int:
    """Replicas that answer requests, of the deployment that has the fewest."""
    running = [
        sum(replica.get("state") == RUNNING for replica in deployment.get("replicas") or ())
        for deployment in _list_deployments(application)
    ]
    return min(running, default=0)


def find_engine_deployment(application: Mapping[str, Any]) -> str | None:
    """The deployment that holds the engines: not the one that takes requests, where those are two."""
    names = list(application.get("deployments") or {})
    topology = application.get("deployment_topology") or {}
    others = [name for name in names if name != topology.get("ingress_deployment")]
    return next(iter(others or names), None)


def list_messages(application: Mapping[str, Any]) -> list[str]:
    """What Ray Serve says of the application and its deployments, as lines."""
    texts = [str(application.get("message") or "")]
    texts += [str(each.get("message") or "") for each in _list_deployments(application)]
    return [line for text in texts for line in _COLOURS.sub("", text).splitlines() if line.strip()]


def list_workers(application: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Node and worker of each replica, those that ended included."""
    for deployment in _list_deployments(application):
        for replica in (*(deployment.get("replicas") or ()), *(deployment.get("recent_dead_replicas") or ())):
            if replica.get("node_id") and replica.get("worker_id"):
                yield replica["node_id"], replica["worker_id"]


def _list_deployments(application: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((application.get("deployments") or {}).values())


def _find_start(application: Mapping[str, Any]) -> datetime | None:
    """When its first replica was started, else when it was deployed; Ray Serve sets the latter anew often."""
    starts = [
        replica["start_time_s"]
        for deployment in _list_deployments(application)
        for replica in deployment.get("replicas") or ()
        if replica.get("start_time_s")
    ]
    started_at = min(starts, default=application.get("last_deployed_time_s"))
    return datetime.fromtimestamp(started_at, UTC) if started_at else None

"""Engines as applications of Ray Serve on a cluster, by the REST API of its dashboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from gateway.conf import GatewayConfig
from gateway.wording import fill_in
from modelops.runtimes.base import (
    SLOT_LABEL,
    FetchProgress,
    Instance,
    InstanceState,
    LogFollower,
    RuntimeFailure,
    RuntimeUnavailable,
    Workload,
)
from modelops.runtimes.ray_application import build_application, resize_application
from modelops.runtimes.ray_cluster import describe_cluster
from modelops.runtimes.ray_dashboard import DELETING, Configs, RayDashboard, find_serve_url
from modelops.runtimes.ray_logs import RayLogFollower
from modelops.runtimes.ray_states import RUNNING, find_engine_deployment, read_instance

REMOVE_MARGIN_S = 60.0
"""On top of the time that running requests get."""
HASTY_SHUTDOWN_S = 1.0
"""What replicas get of an application that serves nobody."""
POLL_PERIOD_S = 0.25


class RayRuntime:
    """A Runtime. An application has its engine's name and, as variables, our labels; no other is touched."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._serve_url = find_serve_url(config)
        self._dashboard = RayDashboard(config)
        self._is_closing = threading.Event()

    def describe(self) -> dict[str, Any]:
        if not self._config.ray_dashboard_url:
            return {
                "problem": fill_in("There is no Ray cluster: RAY_DASHBOARD_URL is not set."),
                "is_unset": True,
            }
        try:
            return {"problem": "", "base_url": self._serve_url, **describe_cluster(self._dashboard)}
        except RuntimeUnavailable as exc:
            advice = exc.advice or fill_in("Start the cluster, and check RAY_DASHBOARD_URL.")
            return {"problem": exc.wording, "code": exc.code, "advice": advice}

    def prefetch(
        self, workload: Workload, report: Callable[[FetchProgress], None], stop: threading.Event
    ) -> str:
        """Nothing can be fetched ahead: the weights are needed on the nodes that the cluster will choose.

        Raises RuntimeUnavailable where the cluster does not answer.
        """
        self._dashboard.list_applications()
        return ""

    def start(self, workload: Workload) -> Instance:
        self._require_cluster()
        found = self._dashboard.list_applications().get(workload.name)
        if found is None:
            application = build_application(workload, drain_timeout_s=float(self._config.drain_timeout_s))

            def add(configs: Configs) -> None:
                configs.setdefault(workload.name, application)

            self._dashboard.change_applications(add)
        elif found.get("status") == DELETING:
            raise RuntimeFailure(
                fill_in("The application {name} is being deleted: remove it.", name=workload.name)
            )
        instance = self.status(workload.name)
        if found is not None and instance.state is InstanceState.EXITED:
            raise RuntimeFailure(
                fill_in("The application {name} has already failed: remove it.", name=workload.name)
            )
        return instance

    def resize(self, workload: Workload) -> None:
        self._require_cluster()
        found = self._dashboard.list_applications().get(workload.name) or {}
        deployment = find_engine_deployment(found)

        def change(configs: Configs) -> None:
            if workload.name in configs and deployment is not None:
                configs[workload.name] = resize_application(configs[workload.name], workload, deployment)

        self._dashboard.change_applications(change)

    def status(self, name: str) -> Instance:
        self._require_cluster()
        application = self._dashboard.list_applications().get(name)
        return read_instance(name, application, serve_url=self._serve_url)

    def ask_to_stop(self, name: str) -> None:
        """Delete it. Ray Serve lets running requests finish, for as long as the drain time-out."""
        if self._config.ray_dashboard_url:
            self._dashboard.change_applications(lambda configs: _drop(configs, name))

    def remove(self, name: str) -> None:
        """One that serves is given the drain time-out, so that its running requests finish."""
        if not self._config.ray_dashboard_url:
            return
        if self._is_idle(name):
            self._dashboard.change_applications(
                lambda configs: _hasten(configs, name, self._deployments(name))
            )
        self.ask_to_stop(name)
        deadline = time.monotonic() + self._config.drain_timeout_s + REMOVE_MARGIN_S
        while name in self._dashboard.list_applications():
            if time.monotonic() > deadline:
                raise RuntimeFailure(fill_in("Ray Serve does not delete the application {name}.", name=name))
            self._is_closing.wait(POLL_PERIOD_S)

    def follow_log(self, name: str) -> LogFollower:
        self._require_cluster()
        return RayLogFollower(name, self._dashboard)

    def list_instances(self, slot_id: str) -> Sequence[Instance]:
        self._require_cluster()
        instances = [
            read_instance(name, application, serve_url=self._serve_url)
            for name, application in self._dashboard.list_applications().items()
        ]
        return [instance for instance in instances if instance.labels.get(SLOT_LABEL) == slot_id]

    def close(self) -> None:
        self._dashboard.close()

    def _require_cluster(self) -> None:
        """Without a cluster nothing is known of its applications."""
        if not self._config.ray_dashboard_url:
            raise RuntimeUnavailable(
                fill_in("There is no Ray cluster: RAY_DASHBOARD_URL is not set."),
                advice=fill_in("Set RAY_DASHBOARD_URL."),
            )

    def _is_idle(self, name: str) -> bool:
        """It is there and has never served, or serves no more."""
        application = self._dashboard.list_applications().get(name)
        return application is not None and application.get("status") not in (RUNNING, DELETING)

    def _deployments(self, name: str) -> list[str]:
        application = self._dashboard.list_applications().get(name) or {}
        return list(application.get("deployments") or {})


def _drop(configs: Configs, name: str) -> None:
    configs.pop(name, None)


def _hasten(configs: Configs, name: str, deployments: Sequence[str]) -> None:
    """Shorten what its replicas get when it is deleted; Ray Serve applies that without restarting them."""
    if name in configs and deployments:
        configs[name] = {
            **configs[name],
            "deployments": [
                {"name": each, "graceful_shutdown_timeout_s": HASTY_SHUTDOWN_S} for each in deployments
            ],
        }

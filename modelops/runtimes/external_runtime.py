"""An engine that somebody else starts and stops: the gateway only points to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from gateway.conf import GatewayConfig
from modelops.runtimes.base import FetchProgress, Instance, InstanceState, LogFollower, Workload


class ExternalRuntime:
    """A Runtime that does nothing. Whether anything answers there `modelops.serving` finds out."""

    def __init__(self, config: GatewayConfig) -> None:
        self._base_url = config.engine_url

    def describe(self) -> dict[str, Any]:
        return {"problem": "", "base_url": self._base_url}

    def prefetch(
        self, workload: Workload, report: Callable[[FetchProgress], None], stop: threading.Event
    ) -> str:
        return ""

    def start(self, workload: Workload) -> Instance:
        return self.status(workload.name)

    def resize(self, workload: Workload) -> None:
        """It is not ours to change."""

    def status(self, name: str) -> Instance:
        """Of whatever name: all are the one engine."""
        return Instance(name, InstanceState.RUNNING, reference=self._base_url, base_url=self._base_url)

    def ask_to_stop(self, name: str) -> None:
        """It is not ours to stop."""

    def remove(self, name: str) -> None:
        """There is nothing of ours to remove."""

    def follow_log(self, name: str) -> LogFollower:
        return _NoLog()

    def list_instances(self, slot_id: str) -> Sequence[Instance]:
        """Empty: no process carries the slot's label."""
        return ()

    def close(self) -> None:
        """Nothing is open."""


class _NoLog:
    """The engine's log is where whoever started it put it."""

    def read(self) -> list[str]:
        return []

    def close(self) -> None: ...

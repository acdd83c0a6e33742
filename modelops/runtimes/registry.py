"""The driver of each runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.conf import GatewayConfig
from modelops.domain.runtimes import RuntimeKind
from modelops.runtimes.base import Runtime
from modelops.runtimes.docker_runtime import DockerRuntime
from modelops.runtimes.external_runtime import ExternalRuntime
from modelops.runtimes.process_runtime import ProcessRuntime
from modelops.runtimes.ray_runtime import RayRuntime

DRIVERS: Mapping[RuntimeKind, Callable[[GatewayConfig], Runtime]] = {
    RuntimeKind.DOCKER: DockerRuntime,
    RuntimeKind.PROCESS: ProcessRuntime,
    RuntimeKind.EXTERNAL: ExternalRuntime,
    RuntimeKind.RAY: RayRuntime,
}


def build_runtimes(config: GatewayConfig) -> dict[str, Runtime]:
    """All of them, on any machine: one that cannot be used here says so in `describe`."""
    return {kind.value: build(config) for kind, build in DRIVERS.items()}

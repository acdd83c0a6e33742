"""The runtimes of a switcher, by the name that a profile gives."""

from __future__ import annotations

from gateway.conf import GatewayConfig
from modelops.runtimes.base import Runtime
from modelops.runtimes.docker_runtime import DockerRuntime
from modelops.runtimes.external_runtime import ExternalRuntime
from modelops.runtimes.process_runtime import ProcessRuntime


def build_runtimes(config: GatewayConfig) -> dict[str, Runtime]:
    """All of them, on any machine: one whose engine is missing says so in `describe`."""
    return {
        "docker": DockerRuntime(config),
        "process": ProcessRuntime(config),
        "external": ExternalRuntime(config),
    }

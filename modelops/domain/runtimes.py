"""The ways to start an engine, and how they differ: one row of a table for each.

The drivers are in `modelops.runtimes`. Everything else that depends on the runtime asks the table, so that a
further runtime is a row here and a driver there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.wording import fill_in


class RuntimeKind(StrEnum):
    """What starts the engine: Docker, a child process, somebody else, or a cluster."""

    DOCKER = "docker"
    PROCESS = "process"
    EXTERNAL = "external"
    RAY = "ray"


@dataclass(frozen=True, kw_only=True)
class RuntimeTraits:
    """What plans, checks and the switcher have to know of a runtime."""

    label: str
    """For the admin's form."""
    is_managed: bool = True
    """The switcher starts, watches, stops and restarts its engines; somebody else does so otherwise."""
    needs_image: bool = False
    """A profile has to name an image, which is fetched where it is missing."""
    fetches_weights: bool = True
    """The weights are fetched before the old engine is stopped."""
    brings_simulator: bool = False
    """The simulated engine starts whatever else the runtime lacks."""
    is_on_loopback: bool = False
    """Its engines listen on 127.0.0.1 where the switcher runs, and are reached only from there."""
    ends_with_gateway: bool = False
    """Its engines are children of a gateway on one machine, and are ended when that stops."""
    places_engines: bool = False
    """A cluster: it chooses machines and cards itself, and may run several engines of one start."""
    takes_key: bool = True
    """Its engines are given a key of their own, and answer nobody without it."""
    health_path: str = "/health"
    """Answered with 200 by an engine that is well."""
    gpu_problem: str = fill_in("The runtime gives no engine access to a GPU.")
    """What a plan says where the runtime reports that it cannot use GPUs."""
    gpu_advice: str = ""
    overdue_advice: str = fill_in("See the switcher's log.")
    """Where to look when an engine does not start in time."""


RUNTIMES: Mapping[RuntimeKind, RuntimeTraits] = {
    RuntimeKind.DOCKER: RuntimeTraits(
        label=fill_in("Docker container"),
        needs_image=True,
        gpu_problem=fill_in("Docker has no NVIDIA runtime, so no container can use a GPU."),
        gpu_advice=fill_in("Install the NVIDIA Container Toolkit and restart Docker."),
        overdue_advice=fill_in("Look after Docker: its log (journalctl -u docker) tells what it waits for."),
    ),
    RuntimeKind.PROCESS: RuntimeTraits(
        label=fill_in("Child process"),
        brings_simulator=True,
        is_on_loopback=True,
        ends_with_gateway=True,
        overdue_advice=fill_in(
            "See the switcher's log, and whether this machine is short of memory or processes."
        ),
    ),
    RuntimeKind.EXTERNAL: RuntimeTraits(
        label=fill_in("Started elsewhere"),
        is_managed=False,
        fetches_weights=False,
        takes_key=False,
        overdue_advice=fill_in("Start the engine at VLLM_BASE_URL."),
    ),
    RuntimeKind.RAY: RuntimeTraits(
        label=fill_in("Ray Serve"),
        fetches_weights=False,
        places_engines=True,
        takes_key=False,
        # The ingress of ray.serve.llm has no /health.
        health_path="/v1/models",
        overdue_advice=fill_in(
            "See the application in Ray's dashboard: it may wait for nodes, or for its environment."
        ),
    ),
}


def find_health_path(runtime: str) -> str:
    """Where engines of this runtime say that they are well; vLLM's own path for one that is not known."""
    known = next((traits for kind, traits in RUNTIMES.items() if kind == runtime), None)
    return known.health_path if known else RuntimeTraits.health_path


def count_engines(runtime: str, spec: Mapping[str, Any]) -> int:
    """Engines that the switcher starts of a profile with these settings: one where a cluster has the replicas
    behind one address."""
    is_cluster = any(kind == runtime and traits.places_engines for kind, traits in RUNTIMES.items())
    return 1 if is_cluster else int(spec.get("replicas") or 1)


def get_traits(runtime: str) -> RuntimeTraits:
    """The row of a runtime by its stored name. Raises ValueError for one that is not known."""
    return RUNTIMES[RuntimeKind(runtime)]

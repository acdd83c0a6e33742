"""What a Ray cluster has and what is free of it, as plain facts for plans (`modelops.domain.clusters`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelops.runtimes.ray_dashboard import RayDashboard
from modelops.runtimes.ray_states import count_replicas, read_labels

ACCELERATOR_PREFIX = "accelerator_type:"


def describe_cluster(dashboard: RayDashboard) -> dict[str, Any]:
    """Version, nodes, and the replicas of each application that a gateway deployed. Raises RuntimeFailure."""
    usage = dashboard.read_usage()
    return {
        "version": dashboard.read_version(),
        "nodes": [
            _describe_node(node.get("resources_total") or {}, usage.get(str(node.get("node_id"))) or {})
            for node in dashboard.list_nodes()
        ],
        "applications": {
            name: count_replicas(application)
            for name, application in dashboard.list_applications().items()
            if read_labels(application)
        },
    }


def _describe_node(total: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    cpus, cards = float(total.get("CPU", 0.0)), float(total.get("GPU", 0.0))
    return {
        "cpus": cpus,
        "cards": cards,
        "free_cpus": cpus - _used(usage, "CPU"),
        "free_cards": cards - _used(usage, "GPU"),
        "accelerators": [
            name.removeprefix(ACCELERATOR_PREFIX)
            for name in sorted(total)
            if name.startswith(ACCELERATOR_PREFIX)
        ],
    }


def _used(usage: Mapping[str, Any], resource: str) -> float:
    """Of `[used, total]`; a node that has just come is not in the report yet."""
    pair = usage.get(resource) or [0.0, 0.0]
    return float(pair[0])

"""The Ray cluster, where there is one: whether it and Ray Serve answer, and what is free of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.wording import fill_in
from modelops.domain.clusters import ClusterNode
from modelops.runtimes.ray_dashboard import find_serve_url
from modelops.runtimes.ray_runtime import RayRuntime

SERVE_TIMEOUT_S = 3.0
PROXY_HEALTH = "/-/healthz"


def check_ray(place: VantagePoint) -> Iterator[Finding]:
    """Nothing where no cluster is set."""
    if not place.config.ray_dashboard_url:
        return
    runtime = RayRuntime(place.config)
    try:
        facts = runtime.describe()
    finally:
        runtime.close()
    if facts["problem"]:
        yield Finding(
            "ray",
            FindingKind.PROBLEM,
            facts["problem"],
            facts.get("advice", ""),
        )
        return
    yield _describe_cluster(facts)
    yield _ask_serve(find_serve_url(place.config))


def _describe_cluster(facts: Mapping[str, Any]) -> Finding:
    nodes = [ClusterNode.parse(node) for node in facts["nodes"]]
    figures = {
        "version": facts["version"],
        "nodes": len(nodes),
        "cards": sum(node.cards for node in nodes),
        "free_cards": sum(node.free_cards for node in nodes),
        "cpus": sum(node.cpus for node in nodes),
        "free_cpus": sum(node.free_cpus for node in nodes),
    }
    shown = {name: value if isinstance(value, str) else f"{value:g}" for name, value in figures.items()}
    return Finding(
        "ray",
        FindingKind.OK,
        fill_in(
            "Ray {version} answers: {nodes} nodes; {free_cards} of {cards} GPUs and {free_cpus} of {cpus} "
            "CPUs are free.",
            **shown,
        ),
        facts=figures,
    )


def _ask_serve(url: str) -> Finding:
    """A proxy of Ray Serve answers a path of its own. Before the first application there is none."""
    try:
        answer = httpx.get(f"{url}{PROXY_HEALTH}", timeout=SERVE_TIMEOUT_S, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return Finding(
            "ray.serve",
            FindingKind.NOTE,
            fill_in(
                "Ray Serve does not answer from here at {url}: {error}.", url=url, error=type(exc).__name__
            ),
            fill_in(
                "Before the first switch to a profile of the cluster that is as it should be. After it, "
                "check RAY_SERVE_URL and the network."
            ),
        )
    is_well = answer.status_code == httpx.codes.OK
    return Finding(
        "ray.serve",
        FindingKind.OK if is_well else FindingKind.PROBLEM,
        fill_in("Ray Serve answers at {url}.", url=url)
        if is_well
        else fill_in(
            "What answers at {url} is no proxy of Ray Serve that is well ({status}).",
            url=url,
            status=answer.status_code,
        ),
        "" if is_well else fill_in("Check RAY_SERVE_URL, and the proxies in Ray's dashboard."),
    )

"""Whether a cluster has room for the engine of a switch, and whether beside the one that serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelops.domain.clusters import ClusterNeed, ClusterNode, ClusterRoom, Room, build_need, judge_room
from modelops.domain.profiles.engine_kwargs import read_serve_command
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.plan_problems import RunningEngine


def find_room(
    spec: ProfileSpec,
    arguments: Sequence[str],
    described: Mapping[str, Any] | None,
    running: RunningEngine | None,
    *,
    is_fresh: bool,
) -> ClusterRoom | None:
    """None where the runtime is no cluster, or does not say what it has.

    `described` is what it reported. What is free of it may be another thing by now unless that is fresh; then
    only what it can never hold is judged.
    """
    if not get_traits(spec.runtime).places_engines or not described or "nodes" not in described:
        return None
    need = build_need(
        is_simulated=spec.engine == EngineKind.SIMULATOR,
        accelerator=spec.accelerator_type,
        replicas=spec.replicas,
        cards_each=read_serve_command(arguments).cards,
    )
    nodes = [ClusterNode.parse(node) for node in described["nodes"]]
    judged = judge_room(need, nodes, held=_find_held(spec, described, running))
    is_passing = judged.room is Room.NONE and not judged.is_lasting
    return None if is_passing and not is_fresh else judged


def _find_held(
    spec: ProfileSpec, described: Mapping[str, Any], running: RunningEngine | None
) -> ClusterNeed | None:
    """What the engine that serves takes of the same cluster, with as many replicas as it has now."""
    if running is None or running.runtime != spec.runtime:
        return None
    replicas = int((described.get("applications") or {}).get(running.name) or 0)
    if not replicas:
        return None
    return build_need(
        is_simulated=running.spec.get("engine") == EngineKind.SIMULATOR,
        accelerator=str(running.spec.get("accelerator_type") or ""),
        replicas=replicas,
        cards_each=read_serve_command(running.arguments).cards,
    )

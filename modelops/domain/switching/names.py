"""What people read for the states, phases and policies of switches."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.wording import FilledText, Translatable, fill_text
from modelops.domain.engine_log.startup_log import Phase
from modelops.domain.switching.states import DrainPolicy, SwitchState

STATES: Mapping[SwitchState, Translatable] = {
    SwitchState.REQUESTED: "requested",
    SwitchState.PLANNED: "planned",
    SwitchState.DRAINING: "draining",
    SwitchState.STOPPING: "stopping",
    SwitchState.CLEARING: "clearing",
    SwitchState.STARTING: "starting",
    SwitchState.LOADING: "loading",
    SwitchState.VERIFYING: "verifying",
    SwitchState.ACTIVE: "active",
    SwitchState.REJECTED: "rejected",
    SwitchState.CANCELLED: "cancelled",
    SwitchState.ROLLING_BACK: "rolling back",
    SwitchState.ROLLED_BACK: "rolled back",
    SwitchState.DEGRADED: "degraded",
}

POLICIES: Mapping[DrainPolicy, Translatable] = {
    DrainPolicy.WAIT: "wait",
    DrainPolicy.CUT: "cut",
    DrainPolicy.ABANDON: "abandon",
}

PHASES: Mapping[str, Translatable] = {
    Phase.BOOT: "boot",
    Phase.DISTRIBUTED: "distributed",
    Phase.DOWNLOAD: "download",
    Phase.WEIGHTS: "weights",
    Phase.COMPILE: "compile",
    Phase.PROFILE: "memory profiling",
    Phase.KV_CACHE: "KV cache",
    Phase.GRAPHS: "graphs",
    Phase.DONE: "done",
    "prefetch": "prefetch",
}
"""Of the engine's start-up, and of what comes before it."""


def name_state(state: str) -> FilledText:
    return fill_text(STATES[SwitchState(state)], {})


def name_policy(policy: str) -> FilledText:
    return fill_text(POLICIES[DrainPolicy(policy)], {})


def name_phase(phase: str) -> FilledText:
    """Raises KeyError for what is no phase."""
    return fill_text(PHASES[phase], {})

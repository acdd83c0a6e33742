"""Observations of a switch, and the steps that follow, as the tests of the rules write them."""

from __future__ import annotations

from dataclasses import replace

from modelops.domain.switching.states import (
    Action,
    Check,
    EngineObservation,
    Observation,
    Step,
    SwitchState,
    WorkloadStatus,
)

S, A = SwitchState, Action
RUNNING = EngineObservation(status=WorkloadStatus.RUNNING, was_started=True)
SERVING = replace(RUNNING, is_ready=True, verification=Check.PASSED)
PLANNED = Observation(plan=Check.PASSED, prefetch=Check.PASSED, old=RUNNING, is_old_pointed_to=True)
STOPPED = replace(PLANNED, old=EngineObservation(status=WorkloadStatus.ABSENT), is_old_pointed_to=False)


def go(to: SwitchState) -> Step:
    return Step(A.MOVE, to)


def stay(action: Action) -> Step:
    return Step(action)


def with_new(**view: object) -> Observation:
    return replace(STOPPED, new=replace(RUNNING, **view))  # type: ignore[arg-type]


def with_restored(**view: object) -> Observation:
    return replace(STOPPED, can_restore=True, restored=replace(RUNNING, **view))  # type: ignore[arg-type]

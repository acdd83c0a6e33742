"""Why a switch cannot go on, where that is not the fault of its new engine."""

from __future__ import annotations

from dataclasses import replace

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.states import DEAD, Check, Observation, SwitchState, WorkloadStatus
from modelops.hardware import GpuReading
from modelops.runtimes.base import RuntimeUnavailable
from modelops.switcher.gpu_sampling import name_holders

START_TIMEOUT_S = 300.0
"""For a runtime to start an engine, which then loads for as long as it takes."""


def find_standstill(
    state: SwitchState,
    seen: Observation,
    *,
    held: list[GpuReading] | None,
    new_runtime: str,
    unavailable: RuntimeUnavailable | None,
    clear_timeout_s: float,
) -> RootCause | None:
    """The cause to record, or None while the switch can go on.

    `held` are the GPUs whose memory is not free, None where they could not be read; `new_runtime` is the
    runtime of the new engine; `unavailable` is what the last runtime raised that did not answer.
    """
    is_old_dead = seen.old.status in DEAD or seen.old.has_failed
    is_waiting = state is SwitchState.PLANNED and seen.prefetch is Check.PENDING
    if is_waiting and seen.is_old_pointed_to and is_old_dead:
        how = fill_in("it ended while the switch was being prepared")
        if seen.old.has_failed:
            how = fill_in("it hung while the switch was being prepared")
        return describe_cause(Cause.ENGINE_DIED, error=how)
    if seen.is_start_over and seen.new.status is not WorkloadStatus.RUNNING:
        return _explain_overdue(new_runtime)
    if state is not SwitchState.CLEARING or not seen.is_clear_over:
        return None
    if held:
        processes = name_holders(held) or None
        return describe_cause(Cause.MEMORY_HELD, seconds=clear_timeout_s, processes=processes)
    if held is None:
        return describe_cause(Cause.GPUS_UNKNOWN, seconds=clear_timeout_s, error=fill_in("the driver hangs"))
    if seen.has_orphans is None:
        return explain_unavailable(unavailable, clear_timeout_s)
    return None


def explain_unavailable(error: RuntimeUnavailable | None, seconds: float) -> RootCause:
    """The cause of a switch that waited for this long for a runtime, by what the runtime raised."""
    code = error.code if error else Cause.RUNTIME_UNAVAILABLE
    cause = describe_cause(
        code,
        error=fill_in("no answer for {seconds} s", seconds=f"{seconds:g}"),
        evidence=str(error or "")[:600],
    )
    return replace(cause, advice=error.advice) if error and error.advice else cause


def _explain_overdue(runtime: str) -> RootCause:
    cause = describe_cause(Cause.START_OVERDUE, seconds=START_TIMEOUT_S, error=fill_in("it does not answer"))
    return replace(cause, advice=get_traits(runtime).overdue_advice) if runtime else cause

"""A slot for the metrics, by what its reconciler knows: nothing is read for it."""

from __future__ import annotations

from modelops.domain.runtimes import count_engines
from modelops.domain.switching.states import WorkloadStatus
from modelops.models import Engine
from modelops.switcher.engine_sampling import EngineSampler, SampledEngine
from modelops.switcher.engine_scrape import FollowerUrl
from modelops.switcher.ledger import SlotRows
from modelops.switcher.metrics import SlotFigures
from modelops.switching.slot_status import ServiceState, name_state


def describe_slot(
    rows: SlotRows,
    sampled: SampledEngine | None,
    loads: EngineSampler,
    *,
    is_well: bool,
    followers: tuple[FollowerUrl, ...] = (),
) -> SlotFigures:
    """`is_well`: the engine that serves, of the slot's own, runs and passes its health checks."""
    slot, engine = rows.slot, rows.slot.active_engine
    usage = loads.find_kv_cache_usage(sampled)
    if engine is None and sampled is not None:
        answers = loads.find_answering(sampled)
        state = ServiceState.NONE if answers is None else ServiceState.DEGRADED
        state = ServiceState.READY if answers else state
        return SlotFigures(slot.slug, state, "", None, answers, sampled.base_url, usage)
    live = [switch for switch in (rows.switch, rows.waiting) if switch is not None]
    state = name_state(slot, live)
    return SlotFigures(
        slot=slot.slug,
        state=state,
        profile=engine.profile if engine else slot.desired_profile,
        active_since=engine.ready_at if engine else None,
        is_engine_up=_judge_engine(engine, state, is_well=is_well),
        engine_url=engine.base_url if engine else None,
        kv_cache_usage=usage,
        wanted_replicas=count_engines(engine.runtime, engine.spec) if engine else None,
        followers=followers if engine else (),
    )


def is_engine_well(status: WorkloadStatus, unhealthy_for_s: float) -> bool:
    """Whether an engine that serves runs, as far as its runtime tells, and passes its health checks."""
    return status in (WorkloadStatus.RUNNING, WorkloadStatus.UNKNOWN) and not unhealthy_for_s


def _judge_engine(engine: Engine | None, state: ServiceState, *, is_well: bool) -> bool | None:
    if engine is not None:
        return is_well
    return False if state is ServiceState.DEGRADED else None

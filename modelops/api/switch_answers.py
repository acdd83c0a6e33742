"""Switches, plans and engines as JSON; how an engine is run is shown to admins only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings

from modelops.domain.engine_log.causes import RootCause
from modelops.domain.fit.measured_run import name_as_estimate
from modelops.fit.summary import reduce_fit
from modelops.models import Engine, Switch
from modelops.switching.contexts import find_reduced_context, find_target
from modelops.switching.draining import find_draining
from modelops.switching.remedies import offer_remedies_for, serialise_remedy
from modelops.switching.selectors import count_state_seconds, list_events
from modelops.switching.status import count_remaining_s, describe_detail, serialise_cause

PUBLIC_PLAN_FIELDS = frozenset(
    {"kind", "profile", "from_profile", "accepted", "forced", "tensor_parallel_size", "max_model_len"}
    | {"fetches", "fit", "gpu_name", "warnings", "typical_seconds"}
)
"""What everybody may know of a plan. How the engine is started, and what is wrong with the machine, is for
admins, as with profiles."""


def serialise_switch(switch: Switch, now: datetime, *, for_admin: bool) -> dict[str, Any]:
    """A switch as `SwitchSerializer` has it."""
    base = f"{settings.BASE_PATH}/api/models"
    path = f"{base}/switches/{switch.id}"
    return {
        "id": str(switch.id),
        "slot": switch.slot.slug,
        "from_profile": switch.from_profile or None,
        "to_profile": switch.to_profile,
        "state": switch.state,
        "is_live": switch.is_live,
        "phase": switch.phase or None,
        "detail": describe_detail(switch, find_draining(switch), now) or None,
        "progress": switch.percent,
        "eta_s": count_remaining_s(switch, now),
        "via": switch.via,
        "actor": switch.actor_name if for_admin else None,
        "reason": switch.get_text("reason") if for_admin else None,
        "force": switch.force,
        "drain_timeout_s": switch.drain_timeout_s,
        "drain_policy": switch.drain_policy,
        "max_model_len": switch.max_model_len,
        "root_cause": _serialise_cause(switch.root_cause, for_admin=for_admin),
        "restore_cause": _serialise_cause(switch.restore_cause, for_admin=for_admin),
        "cancel_requested_at": switch.cancel_requested_at,
        "superseded_by": switch.superseded_by_id,
        "created_at": switch.created_at,
        "ended_at": switch.ended_at,
        "links": {
            "self": path,
            "cancel": f"{path}/cancel",
            "events": f"{base}/events?switch={switch.id}",
        },
    }


def _serialise_cause(cause: Mapping[str, Any] | None, *, for_admin: bool) -> dict[str, Any] | None:
    return serialise_cause(RootCause.parse(cause), for_admin=for_admin) if cause else None


def serialise_switch_detail(switch: Switch, now: datetime, *, for_admin: bool) -> dict[str, Any]:
    """A switch as `SwitchDetailSerializer` has it, with its events and what can be done."""
    return {
        **serialise_switch(switch, now, for_admin=for_admin),
        "state_seconds": count_state_seconds(switch, now),
        "attempts": switch.attempts,
        "plan": reduce_plan(switch.plan, for_admin=for_admin) if switch.plan else None,
        "events": [
            {
                "id": event.pk,
                "at": event.at,
                "kind": event.kind,
                "state": event.state,
                "message": event.said if for_admin else None,
            }
            for event in list_events(switch)
        ],
        "log_tail": switch.log_tail if for_admin else None,
        "remedies": _serialise_remedies(switch) if for_admin else [],
        "reduced_context": _serialise_reduced_context(switch),
    }


def _serialise_remedies(switch: Switch) -> list[dict[str, Any]]:
    if switch.is_live or not switch.root_cause:
        return []
    cause = RootCause.parse(switch.root_cause)
    offers = offer_remedies_for(cause, switch.to_profile, switch.slot)
    return [serialise_remedy(offer) for offer in offers]


def _serialise_reduced_context(switch: Switch) -> dict[str, Any] | None:
    reduced = find_reduced_context(switch, find_target(switch))
    return asdict(reduced) if reduced else None


def reduce_plan(plan: Mapping[str, Any], *, for_admin: bool) -> dict[str, Any]:
    """A serialised plan without what only admins may see."""
    shown = {name: value if for_admin or name in PUBLIC_PLAN_FIELDS else None for name, value in plan.items()}
    return shown | {"fit": reduce_fit(plan.get("fit") or {}, for_admin=for_admin)}


def serialise_engine(engine: Engine, *, for_admin: bool) -> dict[str, Any]:
    """An engine as `EngineSerializer` has it."""
    return {
        "id": engine.id,
        "name": engine.name if for_admin else None,
        "slot": engine.slot.slug,
        "generation": engine.generation,
        "replica": engine.replica,
        "profile": engine.profile,
        "state": engine.state,
        "max_model_len": engine.max_model_len,
        "gpu_name": engine.gpu_name,
        "created_at": engine.created_at,
        "ready_at": engine.ready_at,
        "ended_at": engine.ended_at,
        "phase_seconds": engine.phase_seconds,
        "estimate": engine.estimate,
        "actual": name_as_estimate(engine.actual) if engine.actual else None,
    }

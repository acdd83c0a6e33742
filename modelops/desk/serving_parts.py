"""What is served, the switches under way and those before them, as plain JSON values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse

from gateway.wording import end_sentence
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.switching.states import UNTOUCHED_STATES, SwitchState, list_states_ahead
from modelops.models import Engine, EngineLoad, Switch
from modelops.switching.draining import find_draining
from modelops.switching.replica_status import ReplicasStatus, name_replica_state
from modelops.switching.scheduling import NextChange
from modelops.switching.selectors import SwitcherView, count_state_seconds, ended_by_request
from modelops.switching.slot_status import SlotStatus
from modelops.switching.status import count_remaining_s, describe_detail, describe_rest, find_retry_at


def write_time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def describe_serving(
    statuses: Sequence[SlotStatus],
    switcher: SwitcherView,
    coming: Mapping[uuid.UUID, NextChange] | None = None,
    problems: Mapping[uuid.UUID, str] | None = None,
) -> dict[str, Any]:
    """`coming` is what each slot's schedule changes next, `problems` why it could not be followed."""
    return {
        "slots": [
            {
                **_describe_slot(status),
                "next_change": _describe_change((coming or {}).get(status.slot.pk)),
                "schedule_problem": (problems or {}).get(status.slot.pk, ""),
            }
            for status in statuses
        ],
        "switcher": {
            "is_alive": switcher.is_alive,
            "host": switcher.host,
            "was_seen": switcher.seen_at is not None,
        },
    }


def _describe_slot(status: SlotStatus) -> dict[str, Any]:
    slot, engine = status.slot, status.slot.active_engine
    cause = RootCause.parse(slot.problem) if slot.problem else None
    return {
        "slot": slot.slug,
        "state": str(status.state),
        "profile": status.current_profile,
        "desired_profile": slot.desired_profile,
        "since": write_time(status.since),
        "problem": status.problem or (end_sentence(cause.message) if cause else ""),
        "advice": (cause.advice or "") if cause else "",
        "retry_at": write_time(find_retry_at(slot)) if status.switch is None else None,
        "resting": describe_rest(status),
        "engine": _describe_engine(engine) if engine else None,
        "replicas": _describe_replicas(status.replicas) if status.replicas else None,
    }


def _describe_replicas(found: ReplicasStatus) -> dict[str, Any]:
    return {
        "wanted": found.wanted,
        "serving": found.serving,
        "problem": end_sentence(found.cause.message) if found.cause and not found.is_whole else "",
        "engines": [
            {
                "name": each.name,
                "url": reverse("admin:modelops_engine_change", args=[each.pk]),
                "state": name_replica_state(each),
                "is_leader": each.replica == 0,
            }
            for each in found.engines
        ],
    }


def _describe_change(change: NextChange | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {"at": write_time(change.at), "profile": change.profile, "window": change.window}


def _describe_engine(engine: Engine) -> dict[str, Any]:
    return {
        "name": engine.name,
        "url": reverse("admin:modelops_engine_change", args=[engine.pk]),
        "model_name": engine.model_name,
        "names": list(engine.names),
        "runtime": engine.runtime,
        "image": engine.image,
        "arguments": list(engine.arguments),
        "max_model_len": engine.max_model_len,
        "gpu_name": engine.gpu_name,
        "gpu_count": len(engine.gpus),
        "ready_at": write_time(engine.ready_at),
    }


def describe_live(statuses: Sequence[SlotStatus], now: datetime) -> list[dict[str, Any]]:
    """The switches under way, of every slot; behind each the one that waits for its end."""
    return [_describe_live(switch, status, now) for status in statuses for switch in status.live]


def _describe_live(switch: Switch, status: SlotStatus, now: datetime) -> dict[str, Any]:
    return {
        **_describe_switch(switch),
        "slot": status.slot.slug,
        "phase": switch.phase,
        "percent": switch.percent,
        "remaining_s": count_remaining_s(switch, now),
        "detail": describe_detail(switch, find_draining(switch), now),
        "is_waiting": switch == status.waiting,
        "is_harmless": switch.state in UNTOUCHED_STATES,
        "can_cancel": switch.cancel_requested_at is None,
        "cancelled_by": switch.cancelled_by,
        "steps": _list_steps(switch, now),
    }


def _list_steps(switch: Switch, now: datetime) -> list[dict[str, Any]]:
    """The states it went through and those ahead, with their seconds so far."""
    seconds = count_state_seconds(switch, now)
    state = SwitchState(switch.state)
    ahead = list_states_ahead(state)
    shown = [each for each in SwitchState if each in seconds or each == state or each in ahead]
    return [{"state": str(each), "seconds": seconds.get(each), "is_ahead": each in ahead} for each in shown]


def _describe_switch(switch: Switch) -> dict[str, Any]:
    return {
        "id": str(switch.pk),
        "url": reverse("admin:modelops_switch_change", args=[switch.pk]),
        "from_profile": switch.from_profile,
        "to_profile": switch.to_profile,
        "state": switch.state,
        "via": switch.via,
        "actor": switch.actor_name,
        "created_at": write_time(switch.created_at),
    }


def describe_recent(switches: Sequence[Switch]) -> list[dict[str, Any]]:
    """Switches that have ended, with how long they took and why they failed."""
    return [_describe_ended(switch) for switch in switches]


def _describe_ended(switch: Switch) -> dict[str, Any]:
    cause = RootCause.parse(switch.root_cause) if switch.root_cause else None
    ended_s = (switch.ended_at - switch.created_at).total_seconds() if switch.ended_at else None
    is_undone = ended_by_request(switch)
    return {
        **_describe_switch(switch),
        "slot": switch.slot.slug,
        "seconds": None if ended_s is None else round(ended_s, 1),
        "is_cancelled": is_undone,
        "is_failed": switch.state != SwitchState.ACTIVE and not is_undone,
        "max_model_len": switch.max_model_len,
        "cause": None
        if cause is None or is_undone
        else {"code": cause.code, "message": end_sentence(cause.message)},
    }


def describe_loads(loads: Mapping[str, EngineLoad]) -> dict[str, Any]:
    """By slot, how busy its engine was last."""
    return {slot: describe_load(load) for slot, load in loads.items()}


def describe_load(load: EngineLoad) -> dict[str, Any]:
    return {
        "at": write_time(load.at),
        "running": load.running,
        "waiting": load.waiting,
        "kv_cache_usage": load.kv_cache_usage,
        "prompt_tokens_per_s": load.prompt_tokens_per_s,
        "generation_tokens_per_s": load.generation_tokens_per_s,
        "first_token_s": load.first_token_s,
    }

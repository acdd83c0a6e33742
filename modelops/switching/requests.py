"""Asks for switches, with the audit trail in the same transaction. The switcher carries them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from django.db import transaction

from gateway.audit import ChatCaller, record_change
from gateway.conf import get_config
from gateway.database.changes import announce_change
from gateway.errors import DoesNotFit, SwitchRefused
from gateway.request_id import current_request_id
from gateway.wording import Translatable, fill_in, fill_text, join_texts
from modelops.domain.switching.names import name_policy
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import UNTOUCHED_STATES, SwitchState
from modelops.fit.profile_fits import get_profile
from modelops.models import ModelProfile, Slot, Switch, SwitchEvent
from modelops.models.switches import REQUEST_ID
from modelops.switching.actor import Actor
from modelops.switching.cancelling import ask_to_cancel, end_waiting_switch
from modelops.switching.contexts import write_context
from modelops.switching.plan_text import describe_problem
from modelops.switching.planning import plan_switch
from modelops.switching.slots import find_default_slot, find_slot, get_slot

log = structlog.get_logger()

ASKED_THROUGH: Mapping[Switch.Via, Translatable] = {
    Switch.Via.API: "asked for through the API",
    Switch.Via.ADMIN: "asked for through the admin pages",
    Switch.Via.COMMAND: "asked for through the command line",
    Switch.Via.CHAT: "asked for by a chat request",
    Switch.Via.SYSTEM: "asked for by the switcher itself",
    Switch.Via.SCHEDULE: "asked for by the schedule",
}


class RequestOutcome(StrEnum):
    ACCEPTED = "accepted"
    JOINED = "joined"
    """A switch to this profile was under way already; it is the one returned."""
    ALREADY_ACTIVE = "already_active"


@dataclass(frozen=True)
class RequestedSwitch:
    outcome: RequestOutcome
    plan: Plan
    switch: Switch | None = None
    taken_over: tuple[str, ...] = ()
    """What of this request the switch that was joined now goes by, as fields of `Switch`."""


Guard = Callable[[Slot, Sequence[Switch]], None]
"""Gets the slot, locked, and its live switches before a switch is added; raises to have none added."""


def preview_switch(request: SwitchRequest) -> Plan:
    """The plan; writes nothing. Raises NotFound, ModelNotFound, or SwitchRefused for an invalid profile."""
    profile = get_profile(request.profile)
    slot = find_slot(request.slot) or find_default_slot()
    return _plan(slot, profile, request)


def request_switch(request: SwitchRequest, actor: Actor, *, guard: Guard | None = None) -> RequestedSwitch:
    """Ask for a profile to be served. Idempotent while it is: a live switch to it is joined.

    A switch that is joined before the old engine is touched drains from now on as this request says. A live
    switch to another profile is superseded where the old engine is untouched, and is waited for where it is
    not. What is begun or changed (with `keep_context` the profile, too) is in the audit trail in the same
    transaction. Raises NotFound for no such slot, ModelNotFound, DoesNotFit, SwitchRefused, or what `guard`
    raises; then nothing has changed.
    """
    profile = get_profile(request.profile)
    found = get_slot(request.slot)
    plan = _plan(found, profile, request)
    with transaction.atomic():
        if request.keep_context and request.max_model_len is not None:
            write_context(profile, request.max_model_len, request=actor.request)
        locked = Slot.objects.select_for_update(of=("self",)).get(pk=found.pk)
        if _is_another(locked, found):
            # Another engine became the active one while the plan was made, or the slot was changed.
            plan = _plan(locked, profile, request)
        live = list(locked.switches.live().order_by("created_at", "id"))
        newest = live[-1] if live else None
        if newest is not None and leads_to(newest, profile.slug, request.max_model_len):
            taken_over = _take_over(newest, request, actor)
            announce_change()
            return RequestedSwitch(RequestOutcome.JOINED, plan, newest, taken_over)
        if newest is None and plan.kind is PlanKind.NOTHING:
            return RequestedSwitch(RequestOutcome.ALREADY_ACTIVE, plan)
        if guard is not None:
            guard(locked, live)
        refuse_unless_accepted(plan)
        switch = _insert_switch(locked, request, actor, plan, superseded=live)
        announce_change()
    if switch.request_id:
        # Not for a command, whose output this would be part of.
        log.info(
            "switch_requested",
            switch=str(switch.pk),
            profile=switch.to_profile,
            slot=found.slug,
            request_id=switch.request_id,
        )
    return RequestedSwitch(RequestOutcome.ACCEPTED, plan, switch)


def _plan(slot: Slot, profile: ModelProfile, request: SwitchRequest) -> Plan:
    return plan_switch(slot, profile, force=request.force, max_model_len=request.max_model_len)


def _is_another(locked: Slot, found: Slot) -> bool:
    said = ("active_engine_id", "gpus", "has_gpus", "runtime", "box", "retiring_at", "retired_at")
    return any(getattr(locked, name) != getattr(found, name) for name in said)


def leads_to(switch: Switch, profile: str, max_model_len: int | None = None) -> bool:
    """Whether the live switch is still on its way to the profile, with this context if one is named."""
    has_that_context = max_model_len is None or switch.max_model_len == max_model_len
    is_failing = switch.state == SwitchState.ROLLING_BACK or switch.cancel_requested_at is not None
    return switch.to_profile == profile and has_that_context and not is_failing


def _take_over(switch: Switch, request: SwitchRequest, actor: Actor) -> tuple[str, ...]:
    """Have the switch drain as a later request says; the switcher reads its row at each look.

    Part of the caller's transaction, which holds the slot: the switch cannot move meanwhile.
    """
    asked = {"drain_timeout_s": request.drain_timeout_s, "drain_policy": request.drain_policy}
    changes = {name: value for name, value in asked.items() if value not in (None, getattr(switch, name))}
    if not changes or switch.state not in UNTOUCHED_STATES:
        return ()
    for name, value in changes.items():
        setattr(switch, name, value)
    switch.save(update_fields=[*changes])
    SwitchEvent.objects.record(
        switch,
        kind=SwitchEvent.Kind.NOTE,
        message=fill_in(
            "{actor} changed how it drains: up to {seconds} s, then {policy}",
            actor=actor.name,
            seconds=switch.drain_timeout_s,
            policy=name_policy(switch.drain_policy),
        ),
        data={"actor": actor.name, "reason": str(request.reason), **changes},
    )
    record_change("switch_changed", switch, request=actor.request, changes=changes)
    return tuple(changes)


def refuse_unless_accepted(plan: Plan) -> None:
    """Raises DoesNotFit or SwitchRefused, naming every problem that stands and carrying the plan along."""
    if plan.is_accepted:
        return
    message = join_texts(" ", [describe_problem(problem) for problem in plan.refusals])
    kind = DoesNotFit if any(p.code == "does_not_fit" for p in plan.refusals) else SwitchRefused
    raise kind(message, param="profile_id", details={"plan": plan.serialise()})


def _insert_switch(
    slot: Slot, request: SwitchRequest, actor: Actor, plan: Plan, *, superseded: Sequence[Switch]
) -> Switch:
    config = get_config()
    drain_timeout_s = request.drain_timeout_s
    switch = Switch(
        slot=slot,
        from_profile=slot.active_engine.profile if slot.active_engine else "",
        to_profile=request.profile,
        actor_id=actor.user_id,
        actor_name=actor.name,
        via=actor.via,
        reason=str(request.reason),
        request_texts={"reason": request.reason, REQUEST_ID: _find_request_id(actor)},
        force=plan.is_forced,
        drain_timeout_s=config.drain_timeout_s if drain_timeout_s is None else drain_timeout_s,
        drain_policy=request.drain_policy or config.drain_policy,
        max_model_len=request.max_model_len,
        plan=plan.serialise(),
    )
    for other in superseded:
        if other.state == SwitchState.REQUESTED:
            # At most one waits: the newest request counts.
            end_waiting_switch(other, by=fill_in("a switch to {profile}", profile=request.profile))
    switch.save(force_insert=True)
    _supersede(superseded, switch)
    SwitchEvent.objects.record(
        switch,
        kind=SwitchEvent.Kind.STATE,
        message=fill_text(ASKED_THROUGH[Switch.Via(switch.via)], {}),
        data={
            "actor": actor.name,
            "reason": str(request.reason),
            "force": plan.is_forced,
            "profile": request.profile,
        },
    )
    changes = {"slot": slot.slug, "reason": switch.reason, "force": switch.force}
    record_change("switch_requested", switch, request=actor.request, changes=changes)
    return switch


def _find_request_id(actor: Actor) -> str:
    """A chat request asks on a thread that does not know it."""
    return actor.request.request_id if isinstance(actor.request, ChatCaller) else current_request_id.get()


def _supersede(others: Sequence[Switch], switch: Switch) -> None:
    """Have `switch` take the place of those that have not touched the old engine."""
    for other in others:
        if other.state in UNTOUCHED_STATES:
            ask_to_cancel(other, by=fill_in("a switch to {profile}", profile=switch.to_profile))
        if other.state in UNTOUCHED_STATES or other.state == SwitchState.CANCELLED:
            Switch.objects.filter(pk=other.pk).update(superseded_by=switch)

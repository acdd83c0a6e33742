"""Asking for a switch, and asking for one to end. Faces call these; what they insert the switcher does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from gateway.conf import get_config
from gateway.errors import DoesNotFit, NotFound, SwitchRefused
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.states import LIVE_STATES, UNTOUCHED_STATES, SwitchState
from modelops.fit.profile_fits import get_profile
from modelops.models import DEFAULT_SLOT, ModelProfile, Slot, Switch, SwitchEvent
from modelops.switching.plan_text import describe_problem
from modelops.switching.planning import plan_switch


class RequestOutcome(StrEnum):
    ACCEPTED = "accepted"
    JOINED = "joined"
    """A switch to this profile was under way already; it is the one returned."""
    ALREADY_ACTIVE = "already_active"


@dataclass(frozen=True)
class Actor:
    """Who asks, and through which face (`Switch.Via`)."""

    via: str
    user_id: uuid.UUID | None = None
    name: str = ""


@dataclass(frozen=True)
class RequestedSwitch:
    outcome: RequestOutcome
    plan: Plan
    switch: Switch | None = None
    taken_over: tuple[str, ...] = ()
    """What of this request the switch that was joined now goes by, as fields of `Switch`."""


Guard = Callable[[Slot, Sequence[Switch]], None]
"""Gets the slot, locked, and its live switches before a switch is added; raises to have none added."""


def get_slot(slug: str = DEFAULT_SLOT) -> Slot:
    """The slot; the default one is made on first use. Raises NotFound."""
    return find_slot(slug) or Slot.objects.get_or_create(slug=DEFAULT_SLOT)[0]


def find_slot(slug: str) -> Slot | None:
    """None only for the default slot before its first use. Raises NotFound."""
    slot = Slot.objects.select_related("active_engine").filter(slug=slug).first()
    if slot is None and slug != DEFAULT_SLOT:
        raise NotFound(f"There is no slot {slug!r}.", param="slot")
    return slot


def preview_switch(
    profile_slug: str, *, force: bool = False, max_model_len: int | None = None, slot: str = DEFAULT_SLOT
) -> Plan:
    """The plan; writes nothing. Raises NotFound, ModelNotFound, or SwitchRefused for an invalid profile."""
    profile = get_profile(profile_slug)
    found = find_slot(slot) or Slot(slug=DEFAULT_SLOT)
    return plan_switch(found, profile, force=force, max_model_len=max_model_len)


def request_switch(
    profile_slug: str,
    actor: Actor,
    *,
    reason: str = "",
    force: bool = False,
    drain_timeout_s: int | None = None,
    drain_policy: str | None = None,
    max_model_len: int | None = None,
    slot: str = DEFAULT_SLOT,
    guard: Guard | None = None,
) -> RequestedSwitch:
    """Ask for the profile to be served. Idempotent while it is: a live switch to it is joined.

    What is joined before the old engine is touched drains from now on as this request says. A live switch
    to another profile gives way where the old engine is untouched, and is waited for where it is not.
    `max_model_len` stands in for the profile's. Raises NotFound for no such slot, ModelNotFound, DoesNotFit,
    SwitchRefused, or what `guard` does; then nothing has changed.
    """
    profile = get_profile(profile_slug)
    found = get_slot(slot)
    plan = plan_switch(found, profile, force=force, max_model_len=max_model_len)
    with transaction.atomic():
        locked = Slot.objects.select_for_update(of=("self",)).get(pk=found.pk)
        if locked.active_engine_id != found.active_engine_id:
            # Another engine became the active one while the plan was made.
            plan = plan_switch(locked, profile, force=force, max_model_len=max_model_len)
        live = list(locked.switches.live().order_by("created_at", "id"))
        newest = live[-1] if live else None
        if newest is not None and leads_to(newest, profile.slug, max_model_len):
            drain = {"drain_timeout_s": drain_timeout_s, "drain_policy": drain_policy}
            taken_over = _take_over(newest, drain, actor, reason)
            return RequestedSwitch(RequestOutcome.JOINED, plan, newest, taken_over)
        if newest is None and plan.kind is PlanKind.NOTHING:
            return RequestedSwitch(RequestOutcome.ALREADY_ACTIVE, plan)
        if guard is not None:
            guard(locked, live)
        refuse_unless_accepted(plan)
        switch = _insert_switch(
            locked,
            profile,
            actor,
            plan,
            reason=reason,
            drain_timeout_s=drain_timeout_s,
            drain_policy=drain_policy,
            max_model_len=max_model_len,
            superseded=live,
        )
    return RequestedSwitch(RequestOutcome.ACCEPTED, plan, switch)


def leads_to(switch: Switch, profile: str, max_model_len: int | None = None) -> bool:
    """Whether the live switch is still on its way to the profile, with this context if one is named."""
    has_that_context = max_model_len is None or switch.max_model_len == max_model_len
    is_failing = switch.state == SwitchState.ROLLING_BACK or switch.cancel_requested_at is not None
    return switch.to_profile == profile and has_that_context and not is_failing


def _take_over(switch: Switch, drain: Mapping[str, Any], actor: Actor, reason: str) -> tuple[str, ...]:
    """Have the switch drain as a later request says; the switcher reads its row at each look.

    Part of the caller's transaction, which holds the slot: the switch cannot move meanwhile.
    """
    changes = {name: value for name, value in drain.items() if value not in (None, getattr(switch, name))}
    if not changes or switch.state not in UNTOUCHED_STATES:
        return ()
    for name, value in changes.items():
        setattr(switch, name, value)
    switch.save(update_fields=[*changes])
    SwitchEvent.objects.create(
        switch=switch,
        kind=SwitchEvent.Kind.NOTE,
        state=switch.state,
        message=f"{actor.name} changed how it drains: up to {switch.drain_timeout_s} s, "
        f"then {switch.get_drain_policy_display()}",
        data={"actor": actor.name, "reason": reason, **changes},
    )
    return tuple(changes)


def refuse_unless_accepted(plan: Plan) -> None:
    """Raises DoesNotFit or SwitchRefused, naming every problem that stands and carrying the plan along."""
    if plan.is_accepted:
        return
    message = " ".join(describe_problem(problem) for problem in plan.refusals)
    kind = DoesNotFit if any(p.code == "does_not_fit" for p in plan.refusals) else SwitchRefused
    raise kind(message, param="profile_id", details={"plan": plan.serialise()})


def _insert_switch(
    slot: Slot,
    profile: ModelProfile,
    actor: Actor,
    plan: Plan,
    *,
    reason: str,
    drain_timeout_s: int | None,
    drain_policy: str | None,
    max_model_len: int | None,
    superseded: list[Switch],
) -> Switch:
    config = get_config()
    switch = Switch(
        slot=slot,
        from_profile=slot.active_engine.profile if slot.active_engine else "",
        to_profile=profile.slug,
        actor_id=actor.user_id,
        actor_name=actor.name,
        via=actor.via,
        reason=reason,
        force=plan.is_forced,
        drain_timeout_s=config.drain_timeout_s if drain_timeout_s is None else drain_timeout_s,
        drain_policy=drain_policy or config.drain_policy,
        max_model_len=max_model_len,
        plan=plan.serialise(),
    )
    for other in superseded:
        if other.state == SwitchState.REQUESTED:
            # At most one waits: the newest wish counts.
            _end_waiting(other, by=f"a switch to {profile.slug}")
    switch.save(force_insert=True)
    for other in superseded:
        if other.state in UNTOUCHED_STATES:
            _ask_to_cancel(other, by=f"a switch to {profile.slug}")
        if other.state in UNTOUCHED_STATES or other.state == SwitchState.CANCELLED:
            Switch.objects.filter(pk=other.pk).update(superseded_by=switch)
    message = f"asked for through the {switch.get_via_display()}"
    SwitchEvent.objects.create(
        switch=switch,
        kind=SwitchEvent.Kind.STATE,
        state=switch.state,
        message=message,
        data={"actor": actor.name, "reason": reason, "force": plan.is_forced, "profile": profile.slug},
    )
    return switch


def cancel_switch(switch_id: uuid.UUID | None, actor: Actor, *, slot: str = DEFAULT_SLOT) -> Switch:
    """Ask for a switch (None: the slot's live one) to end; where it got too far, for what served before.

    Idempotent. Raises NotFound for no such switch, and SwitchRefused for one that has ended.
    """
    switch = _find_switch(switch_id, slot)
    with transaction.atomic():
        Slot.objects.select_for_update(of=("self",)).get(pk=switch.slot_id)
        switch.refresh_from_db()
        if not switch.is_live:
            raise SwitchRefused(f"The switch has ended already: {switch.state}.")
        if switch.state == SwitchState.REQUESTED:
            _end_waiting(switch, by=actor.name)
        elif switch.cancel_requested_at is None:
            _ask_to_cancel(switch, by=actor.name)
    switch.refresh_from_db()
    return switch


def _find_switch(switch_id: uuid.UUID | None, slot: str) -> Switch:
    if switch_id is not None:
        switch = Switch.objects.filter(pk=switch_id).first()
        if switch is None:
            raise NotFound("There is no such switch.")
        return switch
    found = find_slot(slot)
    live = found.switches.live().order_by("created_at", "id").last() if found else None
    if live is None:
        raise NotFound("No switch is under way.")
    return live


def _ask_to_cancel(switch: Switch, *, by: str) -> None:
    Switch.objects.filter(pk=switch.pk, state__in=LIVE_STATES, cancel_requested_at=None).update(
        cancel_requested_at=Now(), cancelled_by=by
    )
    SwitchEvent.objects.create(
        switch=switch, kind=SwitchEvent.Kind.NOTE, state=switch.state, message=f"cancel asked for by {by}"
    )


def _end_waiting(switch: Switch, *, by: str) -> None:
    """End a switch that nobody has begun to carry out."""
    changed = Switch.objects.filter(pk=switch.pk, state=SwitchState.REQUESTED).update(
        state=SwitchState.CANCELLED,
        cancel_requested_at=Now(),
        cancelled_by=by,
        state_since=Now(),
        ended_at=Now(),
    )
    if changed:
        switch.state = SwitchState.CANCELLED
        SwitchEvent.objects.create(
            switch=switch,
            kind=SwitchEvent.Kind.STATE,
            state=SwitchState.CANCELLED,
            message=f"cancelled by {by} before it began",
        )

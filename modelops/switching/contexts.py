"""Contexts shorter than a profile asks for: which switches came up with one, and how it is kept."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import transaction

from gateway.audit import Requester, record_change
from gateway.errors import SwitchRefused
from gateway.wording import fill_in
from modelops.domain.switching.states import SwitchState
from modelops.models import ModelProfile, Switch
from modelops.switching.actor import Actor
from modelops.switching.selectors import get_switch


@dataclass(frozen=True)
class ReducedContext:
    """A model serves with `max_model_len` tokens where `wanted` were asked for (None: as many as it has)."""

    max_model_len: int
    wanted: int | None
    can_be_kept: bool
    """It serves, and the profile asks for another context."""
    is_kept: bool
    """The profile asks for it by now."""


def find_target(switch: Switch) -> ModelProfile | None:
    """The profile that the switch leads to, where it may matter for its context; one query at most."""
    if switch.state != SwitchState.ACTIVE or switch.max_model_len is None:
        return None
    return ModelProfile.objects.filter(slug=switch.to_profile).first()


def find_reduced_context(switch: Switch, profile: ModelProfile | None) -> ReducedContext | None:
    """Of a switch that came up with less than its plan, or than the profile asks for; None for others.

    `profile` is the one that it leads to, if there still is one.
    """
    length, planned = switch.max_model_len, (switch.plan or {}).get("max_model_len")
    if switch.state != SwitchState.ACTIVE or length is None:
        return None
    asked = profile.max_model_len if profile else None
    is_kept = asked == length
    if planned is not None and planned > length:
        wanted: int | None = planned
    elif profile is None or is_kept or (asked is not None and asked < length):
        return None
    else:
        wanted = asked
    serves = switch.new_engine_id is not None and switch.slot.active_engine_id == switch.new_engine_id
    return ReducedContext(
        length, wanted, can_be_kept=serves and profile is not None and not is_kept, is_kept=is_kept
    )


def keep_context(switch_id: uuid.UUID, actor: Actor) -> ModelProfile:
    """Have the profile ask for the context that its switch came up with, on record in the audit trail.

    Idempotent. Touches no engine. Raises NotFound, and SwitchRefused where there is nothing to keep.
    """
    switch = get_switch(switch_id)
    with transaction.atomic():
        profile = ModelProfile.objects.select_for_update().filter(slug=switch.to_profile).first()
        reduced = find_reduced_context(switch, profile)
        if profile is None or reduced is None or not (reduced.can_be_kept or reduced.is_kept):
            raise SwitchRefused(
                fill_in("What this switch came up with is not served any more: there is no context to keep.")
            )
        write_context(profile, reduced.max_model_len, request=actor.request)
    return profile


def write_context(profile: ModelProfile, max_model_len: int, *, request: Requester) -> None:
    """Set the profile's context. Part of the caller's transaction."""
    before = profile.max_model_len
    if before == max_model_len:
        return
    profile.max_model_len = max_model_len
    profile.save(update_fields=["max_model_len", "updated_at"])
    record_change(
        "modelprofile_changed", profile, request=request, changes={"max_model_len": [before, max_model_len]}
    )

"""Asks for a profile's image and weights to be fetched ahead, with the audit in the same transaction."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from gateway.audit import record_change
from gateway.database.changes import announce_change
from gateway.errors import NotFound, SwitchRefused
from modelops.domain.runtimes import get_traits
from modelops.fit.profile_fits import get_profile
from modelops.models import DEFAULT_SLOT, ModelProfile, Preload
from modelops.switching.actor import Actor
from modelops.switching.slots import get_slot


def request_preload(profile: str, actor: Actor, *, slot: str = DEFAULT_SLOT) -> Preload:
    """Ask for it; the switcher fetches while nothing is being switched. An unfinished request is joined.

    Earlier requests for the same profile and slot that have ended are forgotten. Raises ModelNotFound,
    NotFound for no such slot, and SwitchRefused for a runtime that fetches nothing.
    """
    row = get_profile(profile)
    if not can_preload(row):
        raise SwitchRefused("The engine of this profile is started elsewhere: there is nothing to fetch.")
    found = get_slot(slot)
    try:
        with transaction.atomic():
            return _insert(Preload(slot=found, profile=row.slug, actor_name=actor.name), actor)
    except IntegrityError:
        return Preload.objects.unfinished().get(slot=found, profile=row.slug)


def _insert(preload: Preload, actor: Actor) -> Preload:
    earlier = Preload.objects.filter(slot=preload.slot, profile=preload.profile)
    earlier.filter(ended_at__isnull=False).delete()
    preload.save(force_insert=True)
    record_change("preload_requested", preload, request=actor.request, changes={"profile": preload.profile})
    announce_change()
    return preload


def can_preload(profile: ModelProfile) -> bool:
    return get_traits(profile.runtime).fetches_weights


def cancel_preload(preload_id: uuid.UUID, actor: Actor) -> None:
    """Have it ended; what has been fetched stays. Nothing happens to one that has ended. Raises NotFound."""
    with transaction.atomic():
        preload = Preload.objects.select_for_update(of=("self",)).filter(pk=preload_id).first()
        if preload is None:
            raise NotFound
        if preload.is_finished or preload.cancel_requested_at is not None:
            return
        preload.cancel_requested_at = timezone.now()
        preload.save(update_fields=["cancel_requested_at"])
        changes = {"profile": preload.profile}
        record_change("preload_cancelled", preload, request=actor.request, changes=changes)
        announce_change()


def find_preload(profile: str, *, slot: str = DEFAULT_SLOT) -> Preload | None:
    """The newest request for the profile."""
    return Preload.objects.filter(slot__slug=slot, profile=profile).order_by("-created_at", "-id").first()

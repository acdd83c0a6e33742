"""Retires slots, on record in the audit trail. The switcher ends their engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from gateway.audit import record_change
from gateway.database.changes import announce_change
from gateway.errors import SlotRefused
from gateway.wording import fill_in
from modelops.models import DEFAULT_SLOT, EngineState, Slot
from modelops.switching.actor import Actor
from modelops.switching.cancelling import end_lost_switch
from modelops.switching.slots import get_slot
from modelops.switching.switchers import find_present


@dataclass(frozen=True)
class SlotChange:
    """A slot as it is now, and what of it has changed: before and after."""

    slot: Slot
    changes: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def retire_slot(
    slug: str, actor: Actor, *, stop: bool = False, force: bool = False, dry_run: bool = False
) -> SlotChange:
    """Have nothing serve in the slot any more; its history stays.

    With `stop` the switcher ends an engine that runs in it first, as running answers end; until then the slot
    is retiring. With `force`, for a box that is gone, it is retired at once: engines that run there are
    nobody's. Raises NotFound, and SlotRefused: for the default slot, while something serves or a switch is
    under way, and for `force` while a switcher acts for the slot.
    """
    if slug == DEFAULT_SLOT:
        raise SlotRefused(fill_in("The default slot stays: `current` means what it serves."), param="slot")
    with transaction.atomic():
        slot = Slot.objects.select_for_update(of=("self",)).get(pk=get_slot(slug).pk)
        if force:
            _refuse_while_heard(slot)
        elif slot.retiring_at is not None:
            return SlotChange(slot)
        else:
            refuse_busy(slot)
        engines = list(slot.engines.filter(ended_at=None))
        if engines and not stop and not force:
            raise SlotRefused(
                fill_in(
                    "Slot {slot} serves {profile}: say --stop (in the API: stop) to end its engine first.",
                    slot=slot.slug,
                    profile=engines[0].profile,
                )
            )
        is_at_once = force or not engines
        _write_retirement(slot, is_at_once=is_at_once)
        changes = {"state": ["in use", "retired" if is_at_once else "retiring"]}
        record_slot_change("slot_retired", slot, actor, changes, dry_run=dry_run)
    if not dry_run:
        slot.refresh_from_db()
    return SlotChange(slot, changes)


def _refuse_while_heard(slot: Slot) -> None:
    if slot.box and find_present(slot) is not None:
        raise SlotRefused(
            fill_in(
                "The switcher of slot {slot} has been heard of: say --stop, and it ends the engine first.",
                slot=slot.slug,
            )
        )


def _write_retirement(slot: Slot, *, is_at_once: bool) -> None:
    if not is_at_once:
        Slot.objects.filter(pk=slot.pk).update(retiring_at=Now(), desired_profile="")
        return
    for switch in slot.switches.live():
        end_lost_switch(switch, by=fill_in("the end of its slot"))
    slot.engines.filter(ended_at=None).update(state=EngineState.ENDED, ended_at=Now())
    # As with any new holder the fence grows, so that a write of its switcher's finds nothing.
    Slot.objects.filter(pk=slot.pk).update(
        **{"retired_at": Now(), "retiring_at": None, "desired_profile": "", "active_engine": None},
        **{"lease_holder": "", "lease_expires_at": None, "fence": F("fence") + 1, "epoch": F("epoch") + 1},
    )


def refuse_busy(slot: Slot) -> None:
    """Raise SlotRefused while a switch is under way in the slot, or its end."""
    if slot.retiring_at is not None:
        raise SlotRefused(fill_in("Slot {slot} is being retired.", slot=slot.slug))
    live = slot.switches.live().order_by("created_at").first()
    if live is not None:
        raise SlotRefused(
            fill_in(
                "A switch to {profile} is under way in slot {slot}: wait for its end, or cancel it "
                "(manage.py cancel_switch --slot {slot}).",
                profile=live.to_profile,
                slot=slot.slug,
            )
        )


def record_slot_change(
    action: str, slot: Slot, actor: Actor, changes: Mapping[str, Sequence[Any]], *, dry_run: bool
) -> None:
    """Part of the caller's transaction, which a dry run takes back."""
    if dry_run:
        transaction.set_rollback(True)
        return
    record_change(action, slot, request=actor.request, changes=dict(changes))
    announce_change()

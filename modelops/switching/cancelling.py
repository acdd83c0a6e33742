"""Ends switches that somebody no longer wants, with the audit trail written in the same transaction."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from gateway.audit import record_change
from gateway.database.changes import announce_change
from gateway.errors import NotFound, SwitchRefused
from gateway.wording import fill_in
from modelops.domain.switching.names import name_state
from modelops.domain.switching.states import LIVE_STATES, SwitchState
from modelops.models import DEFAULT_SLOT, Slot, Switch, SwitchEvent
from modelops.switching.actor import Actor
from modelops.switching.slots import find_slot


def cancel_switch(switch_id: uuid.UUID | None, actor: Actor, *, slot: str = DEFAULT_SLOT) -> Switch:
    """Ask for a switch (None: the slot's live one) to end, on record in the audit trail.

    A switch that got too far to end goes back to what served before. Idempotent. Raises NotFound for no such
    switch, and SwitchRefused for one that has ended.
    """
    switch = _find_switch(switch_id, slot)
    with transaction.atomic():
        Slot.objects.select_for_update(of=("self",)).get(pk=switch.slot_id)
        switch.refresh_from_db()
        if not switch.is_live:
            raise SwitchRefused(
                fill_in("The switch has ended already: {state}.", state=name_state(switch.state))
            )
        if switch.state == SwitchState.REQUESTED:
            end_waiting_switch(switch, by=actor.name)
        elif switch.cancel_requested_at is None:
            ask_to_cancel(switch, by=actor.name)
        switch.refresh_from_db()
        record_change("switch_cancelled", switch, request=actor.request)
        announce_change()
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


def ask_to_cancel(switch: Switch, *, by: str) -> None:
    """Have the switcher end a live switch. Part of the caller's transaction, which holds the slot."""
    Switch.objects.filter(pk=switch.pk, state__in=LIVE_STATES, cancel_requested_at=None).update(
        cancel_requested_at=Now(), **_name_canceller(switch, by)
    )
    message = fill_in("cancel asked for by {by}", by=by)
    SwitchEvent.objects.record(switch, kind=SwitchEvent.Kind.NOTE, message=message)


def end_waiting_switch(switch: Switch, *, by: str) -> None:
    """End a switch that no switcher has claimed. Part of the caller's transaction, which holds the slot."""
    changed = Switch.objects.filter(pk=switch.pk, state=SwitchState.REQUESTED).update(
        state=SwitchState.CANCELLED,
        cancel_requested_at=Now(),
        **_name_canceller(switch, by),
        state_since=Now(),
        ended_at=Now(),
    )
    if changed:
        switch.state = SwitchState.CANCELLED
        SwitchEvent.objects.record(
            switch,
            kind=SwitchEvent.Kind.STATE,
            message=fill_in("cancelled by {by} before it began", by=by),
        )


def end_lost_switch(switch: Switch, *, by: str) -> None:
    """End a switch whose switcher is gone for good. Part of a transaction that moves the slot's fence."""
    Switch.objects.filter(pk=switch.pk).update(
        state=SwitchState.CANCELLED,
        cancel_requested_at=Now(),
        **_name_canceller(switch, by),
        state_since=Now(),
        ended_at=Now(),
    )
    switch.state = SwitchState.CANCELLED
    message = fill_in("cancelled by {by}", by=by)
    SwitchEvent.objects.record(switch, kind=SwitchEvent.Kind.STATE, message=message)


def _name_canceller(switch: Switch, by: str) -> dict[str, Any]:
    return {"cancelled_by": str(by), "request_texts": {**(switch.request_texts or {}), "cancelled_by": by}}

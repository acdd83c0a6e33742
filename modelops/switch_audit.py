"""Asking for switches, and for an end to them, on record: what every face calls."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction

from gateway.audit import Requester, record_change
from modelops.models import DEFAULT_SLOT, Switch
from modelops.switching.requests import Actor, RequestedSwitch, RequestOutcome, cancel_switch, request_switch


def request_recorded_switch(
    profile_slug: str, actor: Actor, *, request: Requester = None, **wishes: Any
) -> RequestedSwitch:
    """As `request_switch`, with what it begins or changes in the audit trail."""
    with transaction.atomic():
        requested = request_switch(profile_slug, actor, **wishes)
        if requested.switch is not None and requested.taken_over:
            taken_over = {name: getattr(requested.switch, name) for name in requested.taken_over}
            record_change("switch_changed", requested.switch, request=request, changes=taken_over)
        if requested.outcome is RequestOutcome.ACCEPTED and requested.switch is not None:
            switch = requested.switch
            changes = {"slot": switch.slot.slug, "reason": switch.reason, "force": switch.force}
            record_change("switch_requested", switch, request=request, changes=changes)
    return requested


def cancel_recorded_switch(
    switch_id: uuid.UUID | None,
    actor: Actor,
    *,
    request: Requester = None,
    slot: str = DEFAULT_SLOT,
) -> Switch:
    """As `cancel_switch`, with the wish in the audit trail."""
    with transaction.atomic():
        switch = cancel_switch(switch_id, actor, slot=slot)
        record_change("switch_cancelled", switch, request=request)
    return switch

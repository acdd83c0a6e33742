"""Asks for slots that rest, on behalf of requests that wait for them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from gateway.database.changes import announce_change
from modelops.domain.switching.resting import RestState
from modelops.models import Slot


def ask_to_wake(items: Sequence[uuid.UUID]) -> list[None]:
    """Have these slots woken. Idempotent; nothing happens to one that does not rest, nor is about to.

    A handler of `gateway.batching`. A slot that was asked for while it still pointed to its engine is opened
    again; any other is woken.
    """
    resting = Slot.objects.filter(pk__in=set(items), wake_asked_at=None).exclude(rest=RestState.AWAKE)
    with transaction.atomic():
        if resting.update(wake_asked_at=Now()):
            announce_change()
    return [None] * len(items)

"""The switchers that were heard of lately, and for which slots each of them acts."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from modelops.models import Slot, SwitcherPresence

PRESENCE_TIMEOUT = timedelta(seconds=30)
"""A switcher not heard of for longer is gone."""

FORGET_PRESENCE_AFTER = timedelta(days=7)
"""Of switchers that were killed: until then the status tells when they were heard of last."""


def record_presence(switcher_id: uuid.UUID, values: Mapping[str, Any]) -> None:
    """Note that this process lives, as the switcher with this id, by the database's clock."""
    if not SwitcherPresence.objects.filter(pk=switcher_id).update(seen_at=Now(), **values):
        SwitcherPresence.objects.filter(seen_at__lt=Now() - FORGET_PRESENCE_AFTER).delete()
        SwitcherPresence.objects.create(id=switcher_id, host=socket.gethostname(), pid=os.getpid(), **values)


def list_present() -> list[SwitcherPresence]:
    """Those that run now; the ones that hold a lease first, then by when they were heard of."""
    present = SwitcherPresence.objects.filter(seen_at__gte=Now() - PRESENCE_TIMEOUT)
    return list(present.order_by("-is_acting", "-seen_at"))


def find_present(slot: Slot | None) -> SwitcherPresence | None:
    """The switcher that acts for the slot, or would; without a slot, the first one there is.

    A slot that is no box's yet is any switcher's, and one that was made just now its box's.
    """
    present = list_present()
    if slot is None or not slot.box:
        return present[0] if present else None
    return next((each for each in present if acts_for(each, slot)), None)


def acts_for(switcher: SwitcherPresence, slot: Slot) -> bool:
    """Whether the slot is one of this switcher's, as it said of itself, or its box's."""
    if switcher.slots is None or str(slot.pk) in switcher.slots:
        return True
    return bool(switcher.box) and switcher.box == slot.box


def describe_box(box: str, host: str) -> str:
    """`gpu-1 (docker:QX7K…)`."""
    return f"{host} ({box})" if host else box

"""Who may act for a slot: one switcher at a time, for as long as it keeps saying so."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from gateway.database.changes import announce_change
from modelops.models import Slot

EXPIRY_MARGIN_S = 0.01
RENEWALS = 3
"""Renewed this often within its length, so that one late renewal costs nothing."""


class LeaseLost(Exception):
    """Another switcher acts for the slot now: whatever this one was about to write is void."""


class SlotLease:
    """The lease to act for one slot, by the database's clock. Its fencing token grows with each holder.

    Only while the slot is on `box` and in use is it taken: one that was moved or retired is let go of.
    """

    def __init__(self, slot_id: uuid.UUID, *, holder: str, length_s: float, box: str = "") -> None:
        self._slot_id = slot_id
        self._box = box
        self._holder = holder
        self._length_s = length_s
        self._renew_at = self._valid_until = self._free_at = 0.0
        self.fence: int | None = None

    @property
    def is_held(self) -> bool:
        return self.fence is not None

    @property
    def wait_s(self) -> float | None:
        """Until it is to be renewed, or until another holder's lease expires; None for nothing known."""
        due_at = self._renew_at if self.is_held else self._free_at
        return max(0.0, due_at - time.monotonic()) if due_at else None

    def check_age(self) -> None:
        """Before anything is done to an engine. Raises LeaseLost when this process was away for too long."""
        if time.monotonic() >= self._valid_until:
            raise LeaseLost

    def hold(self) -> bool:
        """Take or renew the lease; cheap when it was renewed just now. False while another holder has it."""
        now = time.monotonic()
        if self.fence is not None and now < self._renew_at:
            return True
        expires = Now() + timedelta(seconds=self._length_s)
        if self.fence is not None:
            renewed = self.held_slot().update(lease_expires_at=expires)
            if not renewed:
                self.fence = None
        if self.fence is None:
            self.fence = self._take(expires)
        self._renew_at = now + self._length_s / RENEWALS
        self._valid_until = now + self._length_s
        return self.fence is not None

    def held_slot(self) -> QuerySet[Slot]:
        """The slot's row, for an update that must find nothing once the lease is another's."""
        return Slot.objects.filter(pk=self._slot_id, lease_holder=self._holder, fence=self.fence or 0)

    def release(self) -> None:
        """Expire the lease, so that another switcher may take it at once."""
        if self.fence is not None:
            self.held_slot().update(lease_holder="", lease_expires_at=None)
            self.fence = None
            announce_change()

    def _take(self, expires: object) -> int | None:
        is_free = Q(lease_holder="") | Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
        slot = Slot.objects.in_use().filter(pk=self._slot_id, box=self._box)
        taken = slot.filter(is_free).update(
            lease_holder=self._holder, lease_expires_at=expires, fence=F("fence") + 1
        )
        if not taken:
            self._free_at = self._find_end(slot)
            return None
        return slot.filter(lease_holder=self._holder).values_list("fence", flat=True).first()

    def _find_end(self, slot: QuerySet[Slot]) -> float:
        """When the present holder's lease expires, by our clock; 0 where nobody holds it."""
        expires, now = slot.values_list("lease_expires_at", Now()).first() or (None, None)
        return (
            0.0 if expires is None else time.monotonic() + (expires - now).total_seconds() + EXPIRY_MARGIN_S
        )

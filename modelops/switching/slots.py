"""Finds the slot that a request names."""

from __future__ import annotations

from gateway.errors import NotFound
from gateway.shortening import shorten
from gateway.wording import fill_in
from modelops.models import DEFAULT_SLOT, Slot


def get_slot(slug: str = DEFAULT_SLOT) -> Slot:
    """The slot; the default one is made on first use. Raises NotFound."""
    return find_slot(slug) or Slot.objects.get_or_create(slug=DEFAULT_SLOT)[0]


def find_slot(slug: str) -> Slot | None:
    """None only for the default slot before its first use. Raises NotFound."""
    slot = Slot.objects.select_related("active_engine").filter(slug=slug).first()
    if slot is None and slug != DEFAULT_SLOT:
        raise NotFound(fill_in("There is no slot {slug}.", slug=repr(shorten(slug))), param="slot")
    return slot

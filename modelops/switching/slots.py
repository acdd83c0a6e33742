"""Finds the slot that a request names."""

from __future__ import annotations

from gateway.errors import NotFound
from gateway.near_names import suggest_names
from gateway.shortening import shorten
from gateway.wording import fill_in
from modelops.models import DEFAULT_SLOT, Slot


def get_slot(slug: str = DEFAULT_SLOT) -> Slot:
    """The slot; the default one is made on first use. Raises NotFound."""
    return find_slot(slug) or Slot.objects.get_or_create(slug=DEFAULT_SLOT)[0]


def find_slot(slug: str) -> Slot | None:
    """None only for the default slot before its first use. Raises NotFound, naming the slots there are."""
    slot = Slot.objects.in_use().select_related("active_engine", "last_good_engine").filter(slug=slug).first()
    if slot is None and slug != DEFAULT_SLOT:
        known = [
            DEFAULT_SLOT,
            *Slot.objects.in_use().exclude(slug=DEFAULT_SLOT).values_list("slug", flat=True),
        ]
        problem = fill_in(
            "There is no slot {name}; there are: {known}.", name=repr(shorten(slug)), known=", ".join(known)
        )
        raise NotFound(suggest_names(problem, slug, known), param="slot")
    return slot


def check_slot_was_there(slug: str) -> None:
    """For what reads the history: a retired slot has one, too. Raises NotFound."""
    if not Slot.objects.filter(slug=slug).exists():
        find_slot(slug)


def lock_cards() -> None:
    """One transaction at a time decides whose cards are whose: each that makes, changes or moves a slot.

    Rows that another one made are seen by the queries that follow, not by the one that waited.
    """
    Slot.objects.select_for_update(of=("self",)).get(pk=get_slot().pk)


def find_default_slot() -> Slot:
    """The default slot, unsaved while it has no row. Reading it writes nothing."""
    return find_slot(DEFAULT_SLOT) or make_default_slot()


def make_default_slot() -> Slot:
    """As it is before its first use, unsaved."""
    return Slot(slug=DEFAULT_SLOT, box="", box_machine="", box_host="", box_boot="")

"""The cards of each slot as rows say it: those it was given, and those on which its engines run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.errors import SlotRefused
from modelops.domain.switching.slot_cards import CardClaim, CardOverlap, describe_overlap, find_overlap
from modelops.models import Engine, Slot, Switch
from modelops.switching.boxes import KnownBox, find_box_of, list_boxes, name_cards


def list_claims(boxes: Sequence[KnownBox], slots: Iterable[Slot] | None = None) -> list[CardClaim]:
    """Of every slot in use, or of these. Two further queries."""
    found = list(Slot.objects.in_use() if slots is None else slots)
    used = _find_used(found)
    return [make_claim(slot, boxes, used.get(slot.slug, ())) for slot in found]


def make_claim(slot: Slot, boxes: Sequence[KnownBox], used: Iterable[str] = ()) -> CardClaim:
    """The slot's claim, its cards called by their UUIDs wherever their box was read."""
    box = find_box_of(slot, boxes)
    cards = {*map(str, slot.gpus), *map(str, used)}
    return CardClaim(
        slot=slot.slug,
        # A machine whose Docker was away when the slot was taken is still the same box.
        boxes=frozenset(filter(None, (slot.box, _name_machine(slot)))),
        cards=frozenset(name_as_stored(card, box) for card in cards),
        takes_every_card=slot.has_gpus and not slot.gpus,
    )


def _name_machine(slot: Slot) -> str:
    """Only while the slot goes by its machine: several Docker engines may share one."""
    return slot.box_machine if slot.box == slot.box_machine else ""


def name_as_stored(card: str, box: KnownBox | None) -> str:
    """The card's UUID where its box was read, else what it was called."""
    known = box.find_card(card) if box else None
    return known.key if known else card


def list_used_cards(slot: Slot) -> set[str]:
    """Cards that the slot's engines run or sleep on, or a switch under way is about to use."""
    return _find_used([slot]).get(slot.slug, set())


def _find_used(slots: Sequence[Slot]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    ids = [slot.pk for slot in slots if not slot._state.adding]
    engines = Engine.objects.filter(slot__in=ids, ended_at=None).values_list("slot__slug", "gpus")
    planned = Switch.objects.live().filter(slot__in=ids).values_list("slot__slug", "plan__gpu_uuids")
    for slug, cards in (*engines, *planned):
        used.setdefault(slug, set()).update(map(str, cards or ()))
    return used


def refuse_overlap(slot: Slot, boxes: Sequence[KnownBox]) -> None:
    """Raise SlotRefused, naming the other slot, where the two would share a card.

    Whoever is about to write the slot calls it, holding the lock of `modelops.switching.slots.lock_cards`.
    """
    overlap = find_overlap(make_claim(slot, boxes, list_used_cards(slot)), list_claims(boxes))
    if overlap is not None:
        raise SlotRefused(_describe(overlap, slot, boxes), param="gpus")


def find_foreign_cards(slot: Slot, cards: Sequence[str]) -> str:
    """Why an engine of the slot may not use these cards, as one of them is another slot's; empty if none is.

    One query where there is no other slot.
    """
    others = list(Slot.objects.in_use().exclude(pk=slot.pk))
    if not others or not cards:
        return ""
    boxes = list_boxes()
    box = find_box_of(slot, boxes)
    wanted = CardClaim(
        slot=slot.slug,
        boxes=make_claim(slot, boxes).boxes,
        cards=frozenset(name_as_stored(card, box) for card in cards),
    )
    overlap = find_overlap(wanted, list_claims(boxes, others))
    return "" if overlap is None else _describe(overlap, slot, boxes)


def _describe(overlap: CardOverlap, slot: Slot, boxes: Sequence[KnownBox]) -> str:
    return describe_overlap(overlap, name_cards(overlap.cards, find_box_of(slot, boxes)))

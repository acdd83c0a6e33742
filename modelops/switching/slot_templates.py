"""The two ways to divide a box that most operators want: a slot for each card, and one for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import count

from django.db import transaction

from gateway.errors import SlotRefused
from gateway.wording import fill_in
from modelops.models import DEFAULT_SLOT, Slot
from modelops.switching.actor import Actor
from modelops.switching.boxes import BoxCard, KnownBox, find_box_of, list_boxes
from modelops.switching.card_claims import list_claims, list_used_cards, name_as_stored
from modelops.switching.placing import SlotWish, change_slot, create_slot
from modelops.switching.retiring import SlotChange, retire_slot
from modelops.switching.slots import get_slot, lock_cards


class SlotTemplate(StrEnum):
    ONE_PER_CARD = "one-per-card"
    ONE_FOR_ALL = "one-for-all"


def apply_template(template: SlotTemplate, actor: Actor) -> list[SlotChange]:
    """Divide the default slot's box like this, all of it or nothing. Idempotent.

    One per card: the default slot keeps the card that its engine runs on, else the first; each card that is
    no slot's gets one. One for all: the other slots of the box are retired as `retire_slot` does with `stop`,
    then the default slot gets every card; where engines have to end first, only when asked again.
    Raises SlotRefused.
    """
    with transaction.atomic():
        lock_cards()
        slot = get_slot()
        box = find_box_of(slot, list_boxes())
        if box is None or not box.cards:
            raise SlotRefused(fill_in("Nobody has read the cards of the default slot's box yet."))
        if template is SlotTemplate.ONE_PER_CARD:
            return _give_each_card_a_slot(slot, box, box.cards, actor)
        return _give_one_slot_all(slot, box, actor)


def _give_each_card_a_slot(
    slot: Slot, box: KnownBox, cards: tuple[BoxCard, ...], actor: Actor
) -> list[SlotChange]:
    made: list[SlotChange] = []
    if slot.has_gpus and len(slot.gpus) != 1:
        used = {name_as_stored(card, box) for card in list_used_cards(slot)}
        own = [card.key for card in cards if not slot.gpus or card.key in slot.gpus]
        kept = [card for card in own if card in used] or own[:1]
        made.append(change_slot(DEFAULT_SLOT, SlotWish(gpus=kept), actor))
    taken = {card for claim in list_claims([box]) for card in claim.cards}
    names = set(Slot.objects.in_use().values_list("slug", flat=True))
    for card in cards:
        if card.key not in taken:
            name = _find_free_name(f"gpu-{card.index}", names)
            names.add(name)
            made.append(create_slot(name, SlotWish(gpus=[card.key], box=box.name), actor))
    return made


def _find_free_name(wanted: str, taken: Iterable[str]) -> str:
    return next(name for name in _list_names(wanted) if name not in taken)


def _list_names(wanted: str) -> Iterable[str]:
    yield wanted
    for number in count(2):
        yield f"{wanted}-{number}"


def _give_one_slot_all(slot: Slot, box: KnownBox, actor: Actor) -> list[SlotChange]:
    others = [
        each
        for each in Slot.objects.in_use().exclude(pk=slot.pk)
        if each.has_gpus and each.box in ("", box.name)
    ]
    made = [retire_slot(each.slug, actor, stop=True) for each in others]
    if any(each.slot.retired_at is None for each in made):
        # Their engines still hold the cards.
        return made
    return [*made, change_slot(DEFAULT_SLOT, SlotWish(gpus=[], has_gpus=True), actor)]

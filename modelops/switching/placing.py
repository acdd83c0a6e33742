"""Makes and changes slots, on record in the audit trail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from gateway.errors import InvalidRequest, SlotRefused
from gateway.near_names import suggest_names
from gateway.shortening import shorten
from gateway.wording import fill_in, join_texts
from modelops.domain.runtimes import RuntimeKind
from modelops.models import Slot
from modelops.switching.actor import Actor
from modelops.switching.boxes import KnownBox, find_box_of, list_boxes, name_cards
from modelops.switching.card_claims import list_used_cards, name_as_stored, refuse_overlap
from modelops.switching.retiring import SlotChange, record_slot_change, refuse_busy
from modelops.switching.slots import get_slot, lock_cards

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
OPERATED = ("box", "gpus", "has_gpus", "runtime")
"""What operators say of a slot."""


@dataclass(frozen=True, kw_only=True)
class SlotWish:
    """What is to be said of a slot; None leaves it as it is.

    `gpus` are numbers or UUIDs, and none of them means every card of the box. `box` is its name or its host.
    """

    gpus: Sequence[str] | None = None
    has_gpus: bool | None = None
    runtime: str | None = None
    box: str | None = None


def create_slot(slug: str, wish: SlotWish, actor: Actor, *, dry_run: bool = False) -> SlotChange:
    """Make a slot, or take a retired one of this name up again: its history goes on.

    Raises InvalidRequest for a name or value that cannot be, and SlotRefused: for a name that is taken, cards
    that are another slot's, and a box that was not heard of or not named although there are several.
    """
    if not NAME.fullmatch(slug):
        raise InvalidRequest(
            fill_in("A slot's name is up to 40 lower-case letters, digits and dashes."), param="name"
        )
    with transaction.atomic():
        lock_cards()
        slot = Slot.objects.select_for_update(of=("self",)).filter(slug=slug).first()
        if slot is not None and slot.retired_at is None:
            raise SlotRefused(fill_in("There is a slot {name} already.", name=slug), param="name")
        slot = slot or Slot(slug=slug)
        boxes = list_boxes()
        for name, value in _reset().items():
            setattr(slot, name, value)
        _apply_box(slot, _choose_box(wish.box or "", boxes))
        _apply_cards(slot, wish, boxes)
        refuse_overlap(slot, boxes)
        slot.save()
        changes = {name: [None, getattr(slot, name)] for name in OPERATED}
        record_slot_change("slot_created", slot, actor, changes, dry_run=dry_run)
    return SlotChange(slot, changes)


def change_slot(slug: str, wish: SlotWish, actor: Actor, *, dry_run: bool = False) -> SlotChange:
    """Say something else of a slot. What serves in it goes on; the next start keeps to what was said.

    A card on which an engine of the slot runs cannot be taken from it. Idempotent. Raises NotFound,
    InvalidRequest, and SlotRefused as `create_slot` does, and while a switch is under way in the slot.
    """
    with transaction.atomic():
        lock_cards()
        slot = Slot.objects.select_for_update(of=("self",)).get(pk=get_slot(slug).pk)
        before = {name: getattr(slot, name) for name in OPERATED}
        boxes = list_boxes()
        if wish.box is not None:
            _apply_box(slot, _choose_new_box(slot, wish.box, boxes))
        _apply_cards(slot, wish, boxes)
        changes = {name: [was, getattr(slot, name)] for name, was in before.items()}
        changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
        if not changes:
            return SlotChange(slot)
        refuse_busy(slot)
        _refuse_taking_used_cards(slot, boxes)
        refuse_overlap(slot, boxes)
        _forget_good_engine(slot, boxes)
        slot.save(update_fields=[*OPERATED, "box_machine", "box_host", "last_good_engine"])
        record_slot_change("slot_changed", slot, actor, changes, dry_run=dry_run)
    return SlotChange(slot, changes)


def _reset() -> dict[str, Any]:
    """A slot as it is before its first use, whatever it was before it was retired."""
    nothing = {"gpus": [], "has_gpus": True, "runtime": "", "desired_profile": "", "problem": None}
    ended = {"active_engine": None, "retired_at": None, "retiring_at": None, "retry_at": None}
    return nothing | ended | {"failed_restarts": 0, "gate": "open", "lease_holder": ""}


def _apply_box(slot: Slot, box: KnownBox | None) -> None:
    slot.box, slot.box_machine, slot.box_host = (box.name, box.machine, box.host) if box else ("", "", "")


def _choose_box(wanted: str, boxes: Sequence[KnownBox]) -> KnownBox | None:
    """Without a wish the only one that is heard of; None where none is: the first switcher takes it."""
    heard = [box for box in boxes if box.is_heard]
    if not wanted and len(heard) <= 1:
        return heard[0] if heard else None
    fitting = [box for box in heard if wanted in box.names]
    if len(fitting) == 1:
        return fitting[0]
    known = "; ".join(box.title for box in heard) or fill_in("none")
    question = fill_in("Which box is {to}?", to=repr(shorten(wanted))) if wanted else fill_in("On which box?")
    problem = fill_in(
        "{question} Boxes whose switcher has been heard of: {known}.", question=question, known=known
    )
    raise SlotRefused(suggest_names(problem, wanted, (n for b in heard for n in b.names)), param="box")


def _choose_new_box(slot: Slot, wanted: str, boxes: Sequence[KnownBox]) -> KnownBox | None:
    """As `_choose_box`. A slot that has one is moved by a command of its own, as its engines stay behind."""
    box = _choose_box(wanted, boxes)
    if box is not None and slot.box in ("", box.name):
        return box
    raise SlotRefused(
        fill_in("Slot {slot} has a box: manage.py move_slot moves it to another one.", slot=slot.slug),
        param="box",
    )


def _apply_cards(slot: Slot, wish: SlotWish, boxes: Sequence[KnownBox]) -> None:
    if wish.runtime is not None:
        if wish.runtime not in ("", *(kind.value for kind in RuntimeKind)):
            known = ", ".join(kind.value for kind in RuntimeKind)
            raise InvalidRequest(fill_in("The runtimes are: {known}.", known=known), param="runtime")
        slot.runtime = wish.runtime
    if wish.has_gpus is not None:
        slot.has_gpus = wish.has_gpus
        slot.gpus = slot.gpus if wish.has_gpus else []
    if wish.gpus is None:
        return
    if wish.gpus and not slot.has_gpus:
        raise InvalidRequest(fill_in("A slot without GPUs has none of its own."), param="gpus")
    slot.gpus = _name_cards(wish.gpus, find_box_of(slot, boxes))


def _name_cards(names: Sequence[str], box: KnownBox | None) -> list[str]:
    """By UUID, in the order given, each once. Raises InvalidRequest for cards that the box does not have."""
    cards = list(dict.fromkeys(str(name).strip() for name in names))
    if box is None or box.cards is None:
        if unclear := [card for card in cards if card.isdecimal()]:
            raise InvalidRequest(
                fill_in(
                    "Nobody has read the cards of that box yet, so {cards} may be any: name them by UUID.",
                    cards=", ".join(unclear),
                ),
                param="gpus",
            )
        return cards
    missing = [shorten(card) for card in cards if box.find_card(card) is None]
    if missing:
        known = join_texts("; ", [card.describe() for card in box.cards]) or fill_in("none")
        raise InvalidRequest(
            fill_in(
                "{box} has no GPU {cards}; it has: {known}.",
                box=box.title,
                cards=", ".join(missing),
                known=known,
            ),
            param="gpus",
        )
    return list(dict.fromkeys(name_as_stored(card, box) for card in cards))


def _forget_good_engine(slot: Slot, boxes: Sequence[KnownBox]) -> None:
    """What served last is not brought back on cards that are not the slot's any more."""
    good = slot.last_good_engine
    if good is None or (slot.has_gpus and not slot.gpus):
        return
    box = find_box_of(slot, boxes)
    if {name_as_stored(str(card), box) for card in good.gpus} - set(slot.gpus):
        slot.last_good_engine = None


def _refuse_taking_used_cards(slot: Slot, boxes: Sequence[KnownBox]) -> None:
    box = find_box_of(slot, boxes)
    used = {name_as_stored(card, box) for card in list_used_cards(slot)}
    taken = used - set(slot.gpus) if slot.gpus or not slot.has_gpus else set()
    if not taken:
        return
    raise SlotRefused(
        fill_in(
            "An engine of slot {slot} runs on {cards}. Switch it to a profile that does without, then take "
            "them from the slot.",
            slot=slot.slug,
            cards=name_cards(sorted(taken), box),
        ),
        param="gpus",
    )

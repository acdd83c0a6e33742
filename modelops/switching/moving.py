"""Moves a slot to another box, on record in the audit trail."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F

from gateway.audit import record_change
from gateway.database.changes import announce_change
from gateway.errors import SwitchRefused
from gateway.near_names import suggest_names
from gateway.wording import fill_in
from modelops.models import Slot, SwitcherPresence
from modelops.switching.actor import Actor
from modelops.switching.boxes import list_boxes
from modelops.switching.card_claims import refuse_overlap
from modelops.switching.slots import get_slot, lock_cards
from modelops.switching.switchers import describe_box, list_present


def move_slot(slug: str, actor: Actor, *, to: str = "", force: bool = False) -> Slot:
    """Have the switchers of another box act for the slot from now on.

    `to` is a box or its host, and may be left out where only one other box has a switcher. Whoever acts for
    the slot writes nothing more. Engines on the old box stay as they are, and are nobody's. Raises NotFound
    for no such slot, SlotRefused where another slot of that box has its cards, and SwitchRefused: for a box
    without a switcher, and while the slot's own box has one, unless `force`.
    """
    with transaction.atomic():
        lock_cards()
        slot = Slot.objects.select_for_update(of=("self",)).get(pk=get_slot(slug).pk)
        present = [each for each in list_present() if each.box]
        target = _choose(slot, present, to)
        own = next((each for each in present if each.box == slot.box), None)
        if own is not None and not force:
            raise SwitchRefused(
                fill_in(
                    "A switcher runs on {box}, where the slot is, and would leave the slot's engines behind: "
                    "stop it first, or use --force.",
                    box=describe_box(slot.box, slot.box_host),
                )
            )
        before = slot.box
        slot.box, slot.box_machine, slot.box_host = target.box, target.machine, target.box_host
        refuse_overlap(slot, list_boxes())
        # As with any new holder the fence grows, so that a write under way finds nothing.
        Slot.objects.filter(pk=slot.pk).update(
            box=target.box,
            box_machine=target.machine,
            box_host=target.box_host,
            lease_holder="",
            lease_expires_at=None,
            fence=F("fence") + 1,
        )
        record_change("slot_moved", slot, request=actor.request, changes={"box": [before, target.box]})
        announce_change()
    slot.refresh_from_db()
    return slot


def _choose(slot: Slot, present: Sequence[SwitcherPresence], to: str) -> SwitcherPresence:
    others = {each.box: each for each in present if each.box != slot.box}
    fitting = [each for each in others.values() if to in ("", each.box, each.host, each.box_host)]
    if len(fitting) == 1:
        return fitting[0]
    known = "; ".join(describe_box(each.box, each.box_host) for each in others.values()) or fill_in("none")
    what = fill_in("Which box is {to}?", to=repr(to)) if to else fill_in("To which box?")
    problem = fill_in(
        "{question} Other boxes whose switcher has been heard of: {known}.", question=what, known=known
    )
    names = [name for each in others.values() for name in (each.box_host, each.host, each.box) if name]
    raise SwitchRefused(suggest_names(problem, to, names))

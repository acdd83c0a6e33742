"""Whose cards are whose: slots of one box share none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.wording import FilledText, fill_in


@dataclass(frozen=True, kw_only=True)
class CardClaim:
    """The cards that are a slot's, by their UUIDs or, where the driver tells none, by their numbers."""

    slot: str
    boxes: frozenset[str] = frozenset()
    """The names of its box; empty while it is no box's, which may become any."""
    cards: frozenset[str] = frozenset()
    """Those it was given, and those on which its engines run."""
    takes_every_card: bool = False

    def shares_box_with(self, other: CardClaim) -> bool:
        return not self.boxes or not other.boxes or not self.boxes.isdisjoint(other.boxes)


@dataclass(frozen=True)
class CardOverlap:
    """What two slots would share. `cards` is empty where one takes every card and the other names none."""

    other: str
    other_takes_every_card: bool
    cards: tuple[str, ...]


def find_overlap(wanted: CardClaim, others: Iterable[CardClaim]) -> CardOverlap | None:
    """The first of the other slots that has a card which is wanted; None where each has its own."""
    for other in others:
        if other.slot == wanted.slot or not wanted.shares_box_with(other):
            continue
        if other.takes_every_card and (wanted.cards or wanted.takes_every_card):
            return CardOverlap(other.slot, True, tuple(sorted(wanted.cards)))
        if wanted.takes_every_card and other.cards:
            return CardOverlap(other.slot, False, tuple(sorted(other.cards)))
        if shared := wanted.cards & other.cards:
            return CardOverlap(other.slot, False, tuple(sorted(shared)))
    return None


def describe_overlap(overlap: CardOverlap, cards: str) -> FilledText:
    """Why it is refused, with what to do. `cards` are the shared ones as people call them."""
    if overlap.other_takes_every_card:
        return fill_in(
            "Slot {other} has every card of its box. Give it cards of its own first: "
            "manage.py slot change {other} --gpus NUMBER …",
            other=overlap.other,
        )
    return fill_in("Slot {other} has {cards}; slots share no card.", other=overlap.other, cards=cards)

"""What speaks against a profile in this very slot: its runtime, its cards, its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.wording import fill_in
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.plan_problems import PlanProblem


@dataclass(frozen=True, kw_only=True)
class SlotFacts:
    """What a plan has to know of its slot."""

    name: str = ""
    runtime: str = ""
    """The only one that its engines may use; empty for any."""
    has_gpus: bool = True
    is_retiring: bool = False
    foreign_cards: str = ""
    """Why the engine may not have the cards that it would get, as one is another slot's; empty if it may."""


def find_slot_problems(spec: ProfileSpec, slot: SlotFacts) -> Iterator[PlanProblem]:
    """None of these may be forced."""
    if slot.is_retiring:
        yield PlanProblem(
            "slot_retiring",
            fill_in("Slot {slot} is being retired.", slot=slot.name),
            fill_in("Make it anew when it is gone (manage.py slot create), or choose another slot."),
        )
    if slot.runtime not in ("", spec.runtime):
        yield PlanProblem(
            "slot_runtime",
            fill_in(
                "Slot {slot} is for the runtime {runtime}, and the profile runs on {other}.",
                slot=slot.name,
                runtime=slot.runtime,
                other=spec.runtime,
            ),
            fill_in("Choose another slot or profile, or change the slot: manage.py slot change."),
        )
    needs_cards = spec.engine != EngineKind.SIMULATOR and not get_traits(spec.runtime).places_engines
    if needs_cards and not slot.has_gpus:
        yield PlanProblem(
            "slot_without_gpus",
            fill_in("Slot {slot} has no GPUs, and the profile needs some.", slot=slot.name),
            fill_in("Give it cards: manage.py slot change {slot} --gpus NUMBER …", slot=slot.name),
        )
    if slot.foreign_cards:
        yield PlanProblem(
            "cards_of_another_slot",
            slot.foreign_cards,
            fill_in("Take the card out of the profile's gpu_selection, or out of the other slot."),
        )

"""The cards that a profile is judged on: of this box, or for a cluster those of the type that it asks for."""

from __future__ import annotations

from modelops.domain.clusters import NO_CARD
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.specs import MIB, Gpu
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.runtimes import get_traits
from modelops.fit.gpu_choice import GpuChoice

MOST_CARDS = 8
"""Cards that an automatic tensor parallel size may choose from: those of the largest usual node."""
SMALLER_VARIANTS = {"A100": "A100 40G", "V100": "V100 16G"}
"""Types that say nothing of the memory: the smaller card is assumed, so that what fits fits both."""


def select_cards(spec: ProfileSpec, choice: GpuChoice) -> tuple[Gpu, ...] | None:
    """The profile's cards, as many as one engine may use; None where they are not known."""
    if not get_traits(spec.runtime).places_engines:
        return choice.select(spec.gpu_selection)
    name = spec.accelerator_type
    name = SMALLER_VARIANTS.get(name, name).replace("-", " ")
    card = find_card(name) if name and name != NO_CARD else None
    if card is None:
        return None
    count = max(MOST_CARDS, (spec.tensor_parallel_size or 1) * spec.pipeline_parallel_size)
    return (Gpu(name, card.driver_total_mib * MIB, compute_capability=card.compute_capability),) * count

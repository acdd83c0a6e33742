"""The cards of one replica: a profile's fit is judged for each of its engines alone."""

from __future__ import annotations

from modelops.domain.fit.specs import Gpu
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.runtimes import get_traits


def choose_cards_of_one(spec: ProfileSpec, gpus: tuple[Gpu, ...] | None) -> tuple[Gpu, ...] | None:
    """The cards that the replica with the least memory would get; all of them for a profile without replicas.

    Where the tensor parallel size is `auto`, each replica gets an equal share of the cards.
    """
    if gpus is None or spec.replicas == 1 or get_traits(spec.runtime).places_engines:
        return gpus
    stages = spec.pipeline_parallel_size
    count = (spec.tensor_parallel_size or max(1, len(gpus) // (spec.replicas * stages))) * stages
    sets = [gpus[at : at + count] for at in range(0, spec.replicas * count, count)]
    whole = [each for each in sets if len(each) == count]
    if not whole:
        return gpus
    return min(whole, key=lambda cards: min(gpu.total_bytes for gpu in cards))

"""What to add to the fit check's formulas, so that they give what an engine measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Correction:
    """Differences in bytes per GPU, measured less computed; the default changes nothing."""

    weights_bytes: int = 0
    activation_bytes: int = 0
    non_torch_bytes: int = 0
    cuda_graph_bytes: int = 0
    block_bytes: int | None = None
    """What a block of the KV cache takes, where it is not what its layout says."""
    most_context_bytes: int | None = None
    """More cannot have been gone when the engine asked for its share of the card, for it got that."""
    is_complete: bool = False
    """All terms together leave just the KV cache that was measured."""


NO_CORRECTION = Correction()

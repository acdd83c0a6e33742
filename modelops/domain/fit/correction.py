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
    non_torch_error_bytes: int | None = None
    cuda_graph_error_bytes: int | None = None
    """How far these may be off after the correction, where starts of other models have told."""
    further_low_bytes: int = 0
    further_high_bytes: int = 0
    """What lies between the corrected terms and the formulas, while too little was seen to leave those."""
    compile_bytes: int | None = None
    """What a first start takes more, where that was measured."""
    context_bytes: int | None = None
    """The CUDA context, where it was measured."""
    most_context_bytes: int | None = None
    """More cannot have been gone when the engine asked for its share of the card, for it got that."""
    is_complete: bool = False
    """All terms together leave just the KV cache that was measured."""


NO_CORRECTION = Correction()

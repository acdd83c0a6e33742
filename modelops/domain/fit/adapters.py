"""What the engine sets aside for LoRA adapters when it loads the model, before any is there.

Each linear layer, the experts and, in some classes, the vocabulary get room for `max_loras` adapters of
`max_lora_rank`: `create_lora_weights` of the classes under vllm/lora/layers (0.33), called by
`LoRAModelManager._create_lora_modules`.
"""

from collections.abc import Sequence
from fractions import Fraction

from modelops.domain.fit.specs import Adapters, AdapterShape, Dtype, Layer, ModelArchitecture


def count_adapter_bytes(
    model: ModelArchitecture,
    layers: Sequence[Layer],
    adapters: Adapters,
    *,
    dtype: Dtype,
    ranks: int,
    is_first: bool,
    is_last: bool,
) -> int | None:
    """Bytes on one GPU of one pipeline stage; None for a layout whose projections are not told apart."""
    shapes = [layer.adapter for layer in layers]
    if any(shape is None for shape in shapes):
        return None
    per_rank = sum((_share(shape, ranks, adapters) for shape in shapes if shape is not None), Fraction(0))
    if model.adapts_vocabulary:
        per_rank += (int(is_first) + int(is_last)) * (model.vocab_size + model.hidden_size)
    return int(per_rank * adapters.rank * adapters.slots * dtype.size_bytes)


def _share(shape: AdapterShape, ranks: int, adapters: Adapters) -> Fraction:
    whole = Fraction(shape.whole, ranks) if adapters.is_fully_sharded else Fraction(shape.whole)
    return whole + Fraction(shape.split, ranks)


def join_adapters(*shapes: AdapterShape) -> AdapterShape:
    return AdapterShape(sum(each.whole for each in shapes), sum(each.split for each in shapes))


def adapt_columns(inputs: int, outputs: int, *, slices: int = 1) -> AdapterShape:
    """Projections that are split by their outputs; A is alike on all GPUs, once for each of `slices`."""
    return AdapterShape(whole=slices * inputs, split=outputs)


def adapt_rows(inputs: int, outputs: int) -> AdapterShape:
    """A projection that is split by its inputs; B is alike on all GPUs."""
    return AdapterShape(whole=outputs, split=inputs)


def adapt_replicated(inputs: int, outputs: int) -> AdapterShape:
    return AdapterShape(whole=inputs + outputs)


def adapt_mlp(hidden: int, inner: int, *, is_gated: bool, copies: int = 1) -> AdapterShape:
    """An MLP, or `copies` experts of one size."""
    slices = 2 if is_gated else 1
    one = join_adapters(adapt_columns(hidden, slices * inner, slices=slices), adapt_rows(inner, hidden))
    return AdapterShape(copies * one.whole, copies * one.split)

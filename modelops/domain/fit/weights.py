"""Bytes of weights on one GPU: counted from the layout, corrected by what is known of the checkpoint."""

from dataclasses import dataclass, replace
from fractions import Fraction

from gateway.wording import fill_in
from modelops.domain.errors import UnknownLayoutError
from modelops.domain.fit.expert_split import ExpertSplit
from modelops.domain.fit.quantization import get_bytes_per_weight
from modelops.domain.fit.specs import (
    CheckpointFacts,
    Dtype,
    Gpu,
    Layer,
    ModelArchitecture,
    Quantization,
)

_FULL_WIDTH_SHARE = 0.9
_DRAFT_SHARE = 4
"""A draft layer is as large as a layer, and left in 16 bit where those have 4. A size that exceeds the layout
by more than that says something about all of them."""
VOCABULARY_PADDING = 64
"""`DEFAULT_VOCAB_PADDING_SIZE`, vllm/model_executor/layers/vocab_parallel_embedding.py."""


@dataclass(frozen=True)
class WeightsEstimate:
    """Bytes per GPU for each pipeline stage. `is_approximate` widens the band, and `is_uneven` by more."""

    stage_bytes: tuple[int, ...]
    source: str
    is_approximate: bool
    is_uneven: bool = False
    """Counted by the names of modules that have different widths: the checkpoint's size would tell."""


def split_layers(layers: int, stages: int) -> list[int]:
    """Return how many layers each pipeline stage holds (`get_pp_indices`, vllm/distributed/utils.py)."""
    sizes = [layers // stages] * stages
    for offset in range(2, layers % stages + 2):
        sizes[-offset] += 1
    return sizes


def get_stages(
    layers: tuple[Layer, ...], stages: int, sizes: tuple[int, ...] | None = None
) -> list[tuple[Layer, ...]]:
    """Return each pipeline stage's layers: as many as `sizes` says, else as the engine splits them."""
    result, start = [], 0
    for size in sizes or split_layers(len(layers), stages):
        result.append(layers[start : start + size])
        start += size
    return result


def estimate_weights(
    model: ModelArchitecture,
    facts: CheckpointFacts,
    *,
    dtype: Dtype,
    tensor_parallel_size: int,
    pipeline_parallel_size: int,
    gpu: Gpu,
    experts: ExpertSplit | None = None,
    stage_sizes: tuple[int, ...] | None = None,
) -> WeightsEstimate:
    """Estimate what "Model loading took … GiB" will say.

    Raises UnknownLayoutError when neither the layout nor the checkpoint's size is known.
    """
    counted = _count_checkpoint(model, dtype)
    checkpoint, source, is_approximate = _choose_checkpoint(model, facts, dtype, counted)
    ratio = Fraction(checkpoint, counted)
    stages = get_stages(model.layers, pipeline_parallel_size, stage_sizes)
    experts = experts or ExpertSplit(tensor_parallel_size)
    stage_bytes = []
    for index, layers in enumerate(stages):
        share = sum(
            (_shard_layer(model, layer, dtype, tensor_parallel_size, experts) for layer in layers),
            Fraction(0),
        )
        is_first, is_last = index == 0, index == len(stages) - 1
        share += _shard_outside(model, dtype, tensor_parallel_size, is_first=is_first, is_last=is_last)
        share *= ratio
        share += _pad_experts(model, layers, experts, gpu)
        share += Fraction(_count_absorbed(model, layers) * dtype.size_bytes, tensor_parallel_size)
        share += model.rotary_elements * dtype.size_bytes
        stage_bytes.append(int(share))
    is_uneven = is_approximate and model.quantization is not None and model.quantization.is_uneven
    return WeightsEstimate(tuple(stage_bytes), source, is_approximate, is_uneven)


def _shard_layer(
    model: ModelArchitecture, layer: Layer, dtype: Dtype, ranks: int, experts: ExpertSplit
) -> Fraction:
    """Bytes of one layer on one rank; KV projections are replicated when ranks outnumber KV heads."""
    width = {
        part: get_bytes_per_weight(_sized(model), part, dtype) for part in ("attention", "mlp", "experts")
    }
    weights = layer.weights
    heads = max(layer.cache.kv_heads, 1)
    key_value_share = Fraction(-(-heads // ranks), heads)
    return (
        weights.attention * width["attention"] / ranks
        + weights.key_value * width["attention"] * key_value_share
        + weights.mlp * width["mlp"] / (1 if experts.has_whole_shared and weights.has_experts else ranks)
        + (weights.experts * width["experts"] + weights.plain_experts * dtype.size_bytes)
        * experts.find_share(model.moe.experts if model.moe else 1)
        + weights.plain_key_value * dtype.size_bytes * key_value_share
        + weights.replicated * width["attention"]
        + weights.plain * dtype.size_bytes
        + Fraction(weights.plain_sharded * dtype.size_bytes, ranks)
    )


def _shard_outside(
    model: ModelArchitecture, dtype: Dtype, ranks: int, *, is_first: bool, is_last: bool
) -> Fraction:
    """Bytes outside the layers: the vocabulary is padded to 64 rows and split over the ranks."""
    padded = -(-model.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING
    padding = Fraction(padded, model.vocab_size)
    is_tied = model.lm_head_parameters == 0 and not model.is_pooling
    total = Fraction(0)
    if is_first or (is_last and is_tied):
        total += model.embedding_parameters * padding * dtype.size_bytes / ranks
    if is_first and model.vision is not None and model.vision.parameters:
        total += Fraction(
            model.vision.parameters * dtype.size_bytes, 1 if model.vision.is_replicated else ranks
        )
    if is_last:
        width = Fraction(dtype.size_bytes)
        if model.quantization is not None and model.quantization.covers_lm_head:
            width = get_bytes_per_weight(_sized(model), "mlp", dtype)
        total += model.lm_head_parameters * padding * width / ranks
        total += model.other_parameters * dtype.size_bytes
    return total


def _count_checkpoint(model: ModelArchitecture, dtype: Dtype) -> int:
    layers = sum((_shard_layer(model, layer, dtype, 1, ExpertSplit()) for layer in model.layers), Fraction(0))
    return int(layers + _shard_outside(model, dtype, 1, is_first=True, is_last=True))


def _sized(model: ModelArchitecture) -> Quantization | None:
    """Return the quantization with a stand-in width where it has none; the checkpoint's size corrects it."""
    found = model.quantization
    return replace(found, bits=4) if found is not None and found.bits is None else found


def _choose_checkpoint(
    model: ModelArchitecture, facts: CheckpointFacts, dtype: Dtype, counted: int
) -> tuple[int, str, bool]:
    """Return the whole model's bytes once loaded, where they come from, and whether that is approximate."""
    tower_missing = model.vision is not None and model.vision.parameters is None
    is_sized = model.quantization is None or model.quantization.bits is not None
    is_exact = model.is_layout_known and is_sized and not tower_missing
    stored = _convert_stored(model, facts, dtype)
    if stored is not None and not (is_exact and _is_misleading(model, facts, stored / counted)):
        return stored, fill_in("checkpoint size"), False
    if facts.parameters and is_sized:
        ratio = facts.parameters / model.parameters
        if not is_exact or 0.8 < ratio < 1.25:
            is_uneven = model.quantization is not None and model.quantization.is_uneven
            is_rough = is_uneven or (not is_exact and model.quantization is not None)
            return (
                int(counted * Fraction(facts.parameters, model.parameters)),
                fill_in("parameter count"),
                is_rough,
            )
    if is_exact:
        is_rough = model.vision is not None or _is_rough(model.quantization)
        return counted, fill_in("layout"), is_rough
    missing = (
        fill_in("a vision tower that is not described")
        if tower_missing
        else fill_in("model type {model_type}", model_type=repr(model.model_type))
    )
    if not is_sized and model.quantization is not None:
        missing = fill_in("{method} weights, which have no fixed width", method=model.quantization.method)
    raise UnknownLayoutError(
        fill_in("weights cannot be counted for {missing}: give the checkpoint's size", missing=missing)
    )


def _is_rough(quantization: Quantization | None) -> bool:
    """Some formats leave modules in 16 bit that the config lists only by pattern, or not at all."""
    if quantization is None:
        return False
    return quantization.is_uneven or quantization.method in ("bitsandbytes", "compressed-tensors")


def _convert_stored(model: ModelArchitecture, facts: CheckpointFacts, dtype: Dtype) -> int | None:
    """Return the checkpoint's bytes as they will lie in memory; None when the engine re-encodes them."""
    if not facts.weights_bytes:
        return None
    quantization = model.quantization
    if quantization is not None:
        return None if quantization.is_load_time else facts.weights_bytes
    count = facts.parameters or model.parameters
    stored_size = 4 if facts.weights_bytes / count > 3 else 2
    return facts.weights_bytes * dtype.size_bytes // stored_size


def _is_misleading(model: ModelArchitecture, facts: CheckpointFacts, ratio: float) -> bool:
    """A repository may hold draft layers the engine skips, or the same weights in two formats.

    Nor is a size of 16 bits per weight that of a quantized checkpoint.
    """
    if 1.0 < ratio <= 1 + _DRAFT_SHARE * model.draft_layers / len(model.layers):
        return True
    if model.quantization is not None:
        return (facts.weights_bytes or 0) > _FULL_WIDTH_SHARE * 2 * model.parameters
    return 1.9 < ratio < 2.1


def _count_absorbed(model: ModelArchitecture, layers: tuple[Layer, ...]) -> int:
    """Elements of the dequantized up-projections that latent attention keeps beside the quantized ones.

    Source: `process_weights_after_loading` of the MLA layer, vllm/v1/attention/backends/mla/common.py;
    of unquantized weights it keeps views only.
    """
    if model.quantization is None or "attention" not in model.quantization.covers:
        return 0
    return model.latent_up_parameters * len(layers)


def _pad_experts(model: ModelArchitecture, layers: tuple[Layer, ...], split: ExpertSplit, gpu: Gpu) -> int:
    """Bytes that MXFP4 expert kernels add by rounding sizes up.

    Source: `mxfp4_round_up_hidden_size_and_intermediate_size`, fused_moe/oracle/mxfp4.py: Marlin (cards
    other than Hopper and data-center Blackwell) rounds the intermediate size to 128, the hidden to 256.
    """
    quantization, moe = model.quantization, model.moe
    if quantization is None or moe is None or quantization.method != "mxfp4":
        return 0
    has_native_kernel = gpu.compute_capability is not None and gpu.compute_capability[0] in (9, 10)
    step = 64 if has_native_kernel else 128
    inner = -(-moe.intermediate_size // split.slices)
    padded = (-(-inner // step) * step) * (-(-model.hidden_size // 256) * 256)
    grown = Fraction(padded, inner * model.hidden_size) - 1
    width = get_bytes_per_weight(quantization, "experts", model.dtype)
    experts = sum(layer.weights.experts for layer in layers) * split.find_share(moe.experts)
    return int(experts * width * grown)

"""Which tensor- and pipeline-parallel sizes the engine accepts for a model.

Each rule names the check in vLLM 0.32 that enforces it.
"""

from modelops.domain.fit.specs import LayerKind, ModelArchitecture, Quantization
from modelops.domain.fit.weights import VOCABULARY_PADDING


def find_parallel_problems(
    model: ModelArchitecture, tensor_parallel_size: int, pipeline_parallel_size: int = 1
) -> list[str]:
    """Return why the engine would refuse these sizes, nothing when it accepts them."""
    ranks = tensor_parallel_size
    problems = _check_heads(model, ranks)
    if pipeline_parallel_size > len(model.layers):
        problems.append(f"{len(model.layers)} layers cannot be split over {pipeline_parallel_size} stages")
    if ranks == 1:
        return problems
    padded = -(-model.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING
    if padded % ranks:
        # VocabParallelEmbedding: divide(num_embeddings_padded, tp_size)
        problems.append(f"the vocabulary, padded to {padded}, is not divisible by {ranks}")
    problems += _check_widths(model, ranks)
    if model.quantization is not None:
        problems += _check_quantization(model, model.quantization, ranks)
    return problems


def _check_heads(model: ModelArchitecture, ranks: int) -> list[str]:
    """`verify_with_parallel_config` (vllm/config/model.py) and the attention classes' own assertions."""
    if model.attention_heads % ranks:
        return [
            f"total number of attention heads ({model.attention_heads}) must be divisible by "
            f"tensor parallel size ({ranks})"
        ]
    problems = []
    for heads in sorted({layer.cache.kv_heads for layer in model.layers if layer.cache.kv_heads}):
        is_latent = model.uses_mla
        is_uneven = heads % ranks if heads >= ranks else ranks % heads
        if is_uneven and not is_latent:
            problems.append(f"{heads} KV heads neither divide nor are divided by {ranks}")
    has_state = any(layer.cache.kind is LayerKind.LINEAR for layer in model.layers)
    if has_state and model.state_heads % ranks:
        problems.append(f"{model.state_heads} state heads are not divisible by {ranks}")
    return problems


def _check_widths(model: ModelArchitecture, ranks: int) -> list[str]:
    """`divide` in the parallel linear layers, and FusedMoE's assertion on the expert width."""
    problems = []
    has_dense = any(layer.weights.mlp and not layer.weights.experts for layer in model.layers)
    if has_dense and model.intermediate_size % ranks:
        problems.append(f"intermediate size {model.intermediate_size} is not divisible by {ranks}")
    if model.moe is not None and model.moe.intermediate_size % ranks:
        problems.append(f"expert width {model.moe.intermediate_size} is not divisible by {ranks}")
    return problems


def _check_quantization(model: ModelArchitecture, quantization: Quantization, ranks: int) -> list[str]:
    """Group and block alignment of the row-parallel inputs (and, for FP8 blocks, outputs).

    AWQ and GPTQ: "input size is not aligned with the quantized weight shape" and
    `verify_group_size_divides_partition`; FP8: `validate_fp8_block_shape` and its MoE twin.
    """
    step = 0
    if quantization.block_shape is not None:
        step = max(quantization.block_shape)
    elif quantization.method.split("_")[0] in ("awq", "gptq", "auto") and quantization.group_size:
        step = quantization.group_size
    elif quantization.method == "compressed-tensors" and quantization.bits == 4:
        step = quantization.group_size or 0
    if not step:
        return []
    return [
        f"{label} of {width} leaves {width // ranks} per GPU, not a multiple of the quantization's {step}"
        for label, width in _list_row_widths(model, quantization)
        if width % ranks == 0 and (width // ranks) % step
    ]


def _list_row_widths(model: ModelArchitecture, quantization: Quantization) -> list[tuple[str, int]]:
    widths = []
    has_dense = any(layer.weights.mlp and not layer.weights.experts for layer in model.layers)
    if has_dense and "mlp" in quantization.covers:
        widths.append(("intermediate size", model.intermediate_size))
    if model.moe is not None and "experts" in quantization.covers:
        widths.append(("expert width", model.moe.intermediate_size))
    if "attention" in quantization.covers:
        widths.append(("attention output", model.attention_dims[1]))
    return widths

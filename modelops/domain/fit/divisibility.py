"""Which tensor- and pipeline-parallel sizes the engine accepts for a model.

Each rule names the check in vLLM 0.32 that enforces it.
"""

from gateway.wording import fill_in
from modelops.domain.fit.engine_defaults import read_partition
from modelops.domain.fit.expert_split import ExpertSplit
from modelops.domain.fit.specs import EngineSettings, LayerKind, ModelArchitecture, Quantization
from modelops.domain.fit.weights import VOCABULARY_PADDING


def find_parallel_problems(
    model: ModelArchitecture,
    tensor_parallel_size: int,
    pipeline_parallel_size: int = 1,
    *,
    experts: ExpertSplit | None = None,
) -> list[str]:
    """Return why the engine would refuse these sizes, nothing when it accepts them."""
    ranks = tensor_parallel_size
    slices = experts.slices if experts is not None else ranks
    problems = _check_heads(model, ranks)
    if pipeline_parallel_size > len(model.layers):
        problems.append(
            fill_in(
                "{count} layers cannot be split over {pipeline_parallel_size} stages",
                count=len(model.layers),
                pipeline_parallel_size=pipeline_parallel_size,
            )
        )
    if ranks == 1 and slices == 1:
        return problems
    padded = -(-model.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING
    if padded % ranks:
        # VocabParallelEmbedding: divide(num_embeddings_padded, tp_size)
        problems.append(
            fill_in(
                "the vocabulary, padded to {padded}, is not divisible by {ranks}", padded=padded, ranks=ranks
            )
        )
    problems += _check_widths(model, ranks, slices)
    if model.quantization is not None:
        problems += _check_quantization(model, model.quantization, ranks, slices)
    return problems


def find_stage_sizes(model: ModelArchitecture, settings: EngineSettings) -> tuple[int, ...] | None:
    """Return the layers that the operator gave each stage; None where they cannot be (`get_pp_indices`)."""
    sizes = read_partition(settings.pp_layer_partition)
    is_whole = sizes is not None and sum(sizes) == len(model.layers)
    return sizes if is_whole and sizes and len(sizes) == settings.pipeline_parallel_size else None


def find_partition_problems(model: ModelArchitecture, settings: EngineSettings) -> list[str]:
    if settings.pp_layer_partition is None or find_stage_sizes(model, settings) is not None:
        return []
    return [
        fill_in(
            "VLLM_PP_LAYER_PARTITION={partition} does not split {count} layers over {stages} stages",
            partition=settings.pp_layer_partition,
            count=len(model.layers),
            stages=settings.pipeline_parallel_size,
        )
    ]


def _check_heads(model: ModelArchitecture, ranks: int) -> list[str]:
    """`verify_with_parallel_config` (vllm/config/model.py) and the attention classes' own assertions."""
    if model.attention_heads % ranks:
        return [
            fill_in(
                "total number of attention heads ({attention_heads}) must be divisible by tensor "
                "parallel size ({ranks})",
                attention_heads=model.attention_heads,
                ranks=ranks,
            )
        ]
    problems: list[str] = []
    for heads in sorted({layer.cache.kv_heads for layer in model.layers if layer.cache.kv_heads}):
        is_latent = model.uses_mla
        is_uneven = heads % ranks if heads >= ranks else ranks % heads
        if is_uneven and not is_latent:
            problems.append(
                fill_in(
                    "{heads} KV heads neither divide nor are divided by {ranks}", heads=heads, ranks=ranks
                )
            )
    has_state = any(layer.cache.kind is LayerKind.LINEAR for layer in model.layers)
    if has_state and model.state_heads % ranks:
        problems.append(
            fill_in(
                "{state_heads} state heads are not divisible by {ranks}",
                state_heads=model.state_heads,
                ranks=ranks,
            )
        )
    return problems


def _check_widths(model: ModelArchitecture, ranks: int, slices: int) -> list[str]:
    """`divide` in the parallel linear layers, and FusedMoE's assertion on the expert width."""
    problems: list[str] = []
    has_dense = any(layer.weights.mlp and not layer.weights.has_experts for layer in model.layers)
    if has_dense and model.intermediate_size % ranks:
        problems.append(
            fill_in(
                "intermediate size {intermediate_size} is not divisible by {ranks}",
                intermediate_size=model.intermediate_size,
                ranks=ranks,
            )
        )
    if model.moe is not None and model.moe.intermediate_size % slices:
        problems.append(
            fill_in(
                "expert width {intermediate_size} is not divisible by {ranks}",
                intermediate_size=model.moe.intermediate_size,
                ranks=slices,
            )
        )
    return problems


def _check_quantization(
    model: ModelArchitecture, quantization: Quantization, ranks: int, slices: int
) -> list[str]:
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
        fill_in(
            "{label} of {width} leaves {share} per GPU, not a multiple of the quantization's {step}",
            label=label,
            width=width,
            share=width // parts,
            step=step,
        )
        for label, width, parts in _list_row_widths(model, quantization, ranks, slices)
        if width % parts == 0 and (width // parts) % step
    ]


def _list_row_widths(
    model: ModelArchitecture, quantization: Quantization, ranks: int, slices: int
) -> list[tuple[str, int, int]]:
    """Each kind of row-parallel input: what it is, how wide, and into how many parts it is cut."""
    widths: list[tuple[str, int, int]] = []
    has_dense = any(layer.weights.mlp and not layer.weights.has_experts for layer in model.layers)
    if has_dense and "mlp" in quantization.covers:
        widths.append((fill_in("intermediate size"), model.intermediate_size, ranks))
    if model.moe is not None and "experts" in quantization.covers:
        widths.append((fill_in("expert width"), model.moe.intermediate_size, slices))
    if "attention" in quantization.covers:
        widths.append((fill_in("attention output"), model.attention_dims[1], ranks))
    return widths

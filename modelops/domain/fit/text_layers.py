"""Parameters and cache shape of ordinary decoder layers: dense, mixture of experts, latent attention.

Formulas follow the projections that each class builds in vllm/model_executor/models (0.32):
llama.py, qwen2_moe.py, mixtral.py, deepseek_v2.py, gpt_oss.py, llama4.py, gemma4.py.
"""

from dataclasses import dataclass

from gateway.wording import fill_in
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.adapters import (
    adapt_columns,
    adapt_mlp,
    adapt_replicated,
    adapt_rows,
    join_adapters,
)
from modelops.domain.fit.config_reader import (
    EXPERT_INTERMEDIATE,
    EXPERTS,
    EXPERTS_PER_TOKEN,
    HEADS,
    HIDDEN,
    INTERMEDIATE,
    KV_HEADS,
    LAYERS,
    SHARED_INTERMEDIATE,
    Config,
    get_bool,
    get_int,
    require_int,
)
from modelops.domain.fit.layouts import Flag, Layout
from modelops.domain.fit.specs import AdapterShape, CacheShape, Layer, LayerKind, LayerWeights, MoeShape

LATENT_BUILDERS = frozenset({"mla", "kimi_linear", "longcat"})
_INDEX_SCALE_BLOCK = 128
"""Elements of the index that share one float32 scale."""


@dataclass(frozen=True)
class TextShape:
    """The sizes that every builder needs."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    moe: MoeShape | None


def read_shape(config: Config, layout: Layout, model_type: str) -> TextShape:
    """Read a decoder's sizes; raises FieldError for a missing or impossible one."""
    hidden = require_int(config, HIDDEN)
    layers = require_int(config, LAYERS)
    heads = require_int(config, HEADS)
    head_dim = get_int(config, ("head_dim", "hidden_size_per_head", "kv_channels"))
    if layout.builder in LATENT_BUILDERS and get_int(config, "kv_lora_rank"):
        head_dim = require_int(config, "qk_nope_head_dim") + require_int(config, "qk_rope_head_dim")
    if not head_dim and hidden % heads:
        raise FieldError(
            "config.num_attention_heads",
            fill_in("{heads} does not divide hidden_size {hidden}", heads=heads, hidden=hidden),
        )
    expansion = get_int(config, "expansion_ratio", 4) or 4
    intermediate = get_int(config, INTERMEDIATE)
    if layout.moe == "llama4":
        intermediate = get_int(config, "intermediate_size_mlp", intermediate)
    if intermediate is None and layout.is_gated and not get_int(config, EXPERTS):
        raise FieldError("config.intermediate_size", fill_in("is missing"))
    return TextShape(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=_read_kv_heads(config, heads, model_type),
        head_dim=head_dim or hidden // heads,
        intermediate=intermediate if intermediate is not None else expansion * hidden,
        moe=read_moe(config, layout),
    )


def _read_kv_heads(config: Config, heads: int, model_type: str) -> int:
    """Source: `get_total_num_kv_heads` and its per-family overrides, model_arch_config_convertor.py."""
    is_new_falcon = get_bool(config, "new_decoder_architecture", default=False)
    has_one_head = model_type in ("falcon", "gptbigcode") and not is_new_falcon
    if has_one_head and get_bool(config, "multi_query", default=True):
        return 1
    if model_type == "chatglm" and not get_bool(config, "multi_query_attention", default=True):
        return heads
    if model_type == "mpt":
        return get_int(config, "kv_n_heads", heads) or heads
    return get_int(config, KV_HEADS, heads) or heads


def read_moe(config: Config, layout: Layout) -> MoeShape | None:
    """Read the expert sizes, None for a dense model."""
    experts = get_int(config, EXPERTS)
    if not experts or not layout.moe:
        return None
    per_token = get_int(config, EXPERTS_PER_TOKEN, 1) or 1
    if layout.moe in ("all", "llama4"):
        intermediate = get_int(config, (*EXPERT_INTERMEDIATE, "intermediate_size"))
    else:
        intermediate = get_int(config, EXPERT_INTERMEDIATE)
    if intermediate is None:
        raise FieldError("config.moe_intermediate_size", fill_in("is missing"))
    shared = get_int(config, SHARED_INTERMEDIATE, 0)
    count = get_int(config, ("n_shared_experts", "moe_num_shared_experts", "num_shared_experts"), 0) or 0
    if not shared and count:
        shared = count * intermediate
    if layout.moe == "llama4":
        shared = intermediate
    return MoeShape(experts, per_token, intermediate, shared or 0, has_shared_gate=layout.moe == "qwen")


def is_expert_layer(config: Config, layout: Layout, index: int) -> bool:
    """Say whether layer `index` holds experts."""
    if layout.moe == "qwen":
        step = get_int(config, "decoder_sparse_step", 1) or 1
        return index not in (config.get("mlp_only_layers") or []) and (index + 1) % step == 0
    if layout.moe == "deepseek":
        first = get_int(config, "first_k_dense_replace", 0) or 0
        listed = config.get("moe_layer_freq")
        if isinstance(listed, list):
            return bool(listed[index]) if index < len(listed) else False
        return index >= first and index % (get_int(config, "moe_layer_freq", 1) or 1) == 0
    if layout.moe == "lfm2":
        return index >= (get_int(config, "num_dense_layers", 0) or 0)
    if layout.moe == "ernie":
        first = get_int(config, "moe_layer_start_index", 0) or 0
        last = get_int(config, "moe_layer_end_index", -1)
        interval = get_int(config, "moe_layer_interval", 1) or 1
        is_inside = index >= first and (last in (None, -1) or index <= (last or 0))
        return is_inside and (index + 1) % interval == 0
    if layout.moe == "llama4":
        return (index + 1) % (get_int(config, "interleave_moe_layer_step", 1) or 1) == 0
    return bool(layout.moe)


def read_layer_kinds(config: Config, layout: Layout, layers: int) -> list[LayerKind]:
    """Return each layer's attention kind, from `layer_types` or the family's fixed pattern."""
    listed = config.get("layer_types")
    if isinstance(listed, list) and len(listed) >= layers:
        return [_parse_layer_type(str(item)) for item in listed[:layers]]
    if layout.moe == "llama4" and get_int(config, "attention_chunk_size"):
        no_rope = config.get("no_rope_layers") or []
        flags = no_rope if len(no_rope) >= layers else [(i + 1) % 4 for i in range(layers)]
        return [LayerKind.CHUNKED if flag else LayerKind.FULL for flag in flags[:layers]]
    window = get_int(config, "sliding_window")
    is_on = get_bool(config, "use_sliding_window", default=not layout.sliding_opt_in)
    if not window or not is_on:
        return [LayerKind.FULL] * layers
    pattern = get_int(config, ("sliding_window_pattern", "_sliding_window_pattern"), layout.sliding_pattern)
    if pattern and pattern > 1:
        return [LayerKind.FULL if (i + 1) % pattern == 0 else LayerKind.SLIDING for i in range(layers)]
    if get_int(config, "max_window_layers") is not None:
        first = get_int(config, "max_window_layers") or 0
        return [LayerKind.SLIDING if index >= first else LayerKind.FULL for index in range(layers)]
    return [LayerKind.SLIDING] * layers


def _parse_layer_type(name: str) -> LayerKind:
    lowered = name.lower()
    if "sliding" in lowered or "local" in lowered:
        return LayerKind.SLIDING
    if "chunk" in lowered:
        return LayerKind.CHUNKED
    if lowered in ("full_attention", "attention", "full", "global_attention", "global"):
        return LayerKind.FULL
    if lowered in ("linear_attention", "mamba", "mamba2", "conv", "recurrent"):
        return LayerKind.LINEAR
    raise UnknownLayoutError(fill_in("layer type {name} is not understood", name=repr(name)))


def build_standard_layer(
    config: Config, layout: Layout, shape: TextShape, index: int, kind: LayerKind
) -> Layer:
    """Build one dense or expert layer with grouped-query attention."""
    if kind is LayerKind.LINEAR:
        raise UnknownLayoutError(fill_in("this layout's linear layers are not understood"))
    window_field = "attention_chunk_size" if kind is LayerKind.CHUNKED else "sliding_window"
    window = None if kind is LayerKind.FULL else get_int(config, window_field)
    cache = CacheShape(kind, shape.kv_heads, shape.head_dim, shape.head_dim, window)
    if layout.is_encoder:
        cache = CacheShape(LayerKind.NONE)
    query, key_value = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    plain = _count_norms(config, layout, shape)
    plain_sharded = _resolve(config, layout.qkv_bias) * (query + 2 * key_value)
    plain_sharded += shape.heads if layout.has_sinks else 0
    plain += _resolve(config, layout.output_bias) * shape.hidden
    mlp, experts, mlp_plain, mlp_sharded = count_mlp(config, layout, shape, index)
    return Layer(
        cache,
        LayerWeights(
            attention=shape.hidden * query * (3 if layout.query_gate else 2),
            key_value=2 * shape.hidden * key_value,
            mlp=mlp,
            experts=experts,
            plain=plain + mlp_plain,
            plain_sharded=plain_sharded + mlp_sharded,
        ),
        join_adapters(
            _adapt_attention(layout, shape, query, key_value), adapt_layer_mlp(config, layout, shape, index)
        ),
    )


def _adapt_attention(layout: Layout, shape: TextShape, query: int, key_value: int) -> AdapterShape:
    outputs = query * (2 if layout.query_gate else 1) + 2 * key_value
    return join_adapters(adapt_columns(shape.hidden, outputs, slices=3), adapt_rows(query, shape.hidden))


def adapt_layer_mlp(config: Config, layout: Layout, shape: TextShape, index: int) -> AdapterShape:
    """The room for adapters of one layer's MLP, or of its experts and their router."""
    moe = shape.moe
    if moe is None or not is_expert_layer(config, layout, index):
        if not shape.intermediate:
            return AdapterShape()
        return adapt_mlp(shape.hidden, shape.intermediate, is_gated=layout.is_gated)
    shared = moe.shared_intermediate_size
    parts = [
        adapt_mlp(shape.hidden, moe.intermediate_size, is_gated=layout.is_gated, copies=moe.experts),
        adapt_replicated(shape.hidden, moe.experts),
    ]
    if shared:
        parts.append(adapt_mlp(shape.hidden, shared, is_gated=layout.is_gated))
    return join_adapters(*parts)


def _count_norms(config: Config, layout: Layout, shape: TextShape) -> int:
    norms = layout.norms
    if layout.builder == "standard" and get_bool(config, "new_decoder_architecture", default=False):
        norms = 2
    count = norms * shape.hidden * (2 if layout.norm_has_bias else 1)
    is_per_head = layout.qk_norm == "head" or bool(config.get(layout.qk_norm or "use_qk_norm"))
    if layout.qk_norm == "full":
        count += (shape.heads + shape.kv_heads) * shape.head_dim
    elif is_per_head:
        count += 2 * shape.head_dim
    return count


def count_mlp(config: Config, layout: Layout, shape: TextShape, index: int) -> tuple[int, int, int, int]:
    """Return a layer's MLP weights, expert weights, replicated and sharded rest (router, gates, biases)."""
    matrices = 3 if layout.is_gated else 2
    moe = shape.moe
    if moe is None or not is_expert_layer(config, layout, index):
        up_rows = (matrices - 1) * shape.intermediate
        has_bias = _resolve(config, layout.mlp_bias)
        return matrices * shape.hidden * shape.intermediate, 0, has_bias * shape.hidden, has_bias * up_rows
    experts = moe.experts * matrices * shape.hidden * moe.intermediate_size
    shared = matrices * shape.hidden * moe.shared_intermediate_size
    plain = moe.experts * shape.hidden + (shape.hidden if shared and moe.has_shared_gate else 0)
    sharded = 0
    if layout.router_bias:
        plain += moe.experts
        sharded = moe.experts * (2 * moe.intermediate_size + shape.hidden)
    return shared, experts, plain, sharded


def build_latent_layer(config: Config, layout: Layout, shape: TextShape, index: int) -> Layer:
    """Build a multi-head latent attention layer (`DeepseekV2MLAAttention`, deepseek_v2.py).

    The down-projections are replicated on every rank, and so is the cache.
    """
    rank = require_int(config, "kv_lora_rank")
    rope = require_int(config, "qk_rope_head_dim")
    nope = require_int(config, "qk_nope_head_dim")
    value = require_int(config, "v_head_dim")
    query_rank = get_int(config, "q_lora_rank")
    query = shape.heads * (nope + rope)
    replicated = shape.hidden * (rank + rope)
    attention = rank * shape.heads * (nope + value) + shape.heads * value * shape.hidden
    plain = layout.norms * shape.hidden + rank
    if query_rank:
        replicated += shape.hidden * query_rank
        attention += query_rank * query
        plain += query_rank
    else:
        attention += shape.hidden * query
    mlp, experts, mlp_plain, mlp_sharded = count_mlp(config, layout, shape, index)
    index_bytes, index_weights, index_plain = _count_index(config, query_rank)
    replicated += index_weights
    plain += index_plain
    has_correction = experts > 0 and config.get("topk_method") == "noaux_tc"
    if has_correction and shape.moe is not None:
        plain += shape.moe.experts
    return Layer(
        CacheShape(LayerKind.MLA, 1, rank + rope, 0, index_bytes=index_bytes),
        LayerWeights(
            attention=attention,
            mlp=mlp,
            experts=experts,
            replicated=replicated,
            plain=plain + mlp_plain,
            plain_sharded=mlp_sharded,
        ),
        join_adapters(
            _adapt_latent(config, shape, query, query_rank), adapt_layer_mlp(config, layout, shape, index)
        ),
    )


def _count_index(config: Config, query_rank: int | None) -> tuple[int, int, int]:
    """Return a token's bytes, the projection and the rest of the index by which sparse attention chooses.

    Its keys are kept in 8 bit with a scale: `Indexer`, `DeepseekV32IndexerCache` (deepseek_v2.py:658), 0.33.
    """
    if not get_int(config, "index_topk") or query_rank is None:
        return 0, 0, 0
    dim, heads = require_int(config, "index_head_dim"), require_int(config, "index_n_heads")
    hidden = require_int(config, HIDDEN)
    scales = 4 * -(-dim // _INDEX_SCALE_BLOCK)
    return dim + scales, query_rank * heads * dim, hidden * (dim + heads) + 2 * dim


def _adapt_latent(config: Config, shape: TextShape, query: int, query_rank: int | None) -> AdapterShape:
    rank, rope = require_int(config, "kv_lora_rank"), require_int(config, "qk_rope_head_dim")
    nope, value = require_int(config, "qk_nope_head_dim"), require_int(config, "v_head_dim")
    down = adapt_replicated(shape.hidden, rank + rope)
    queries = adapt_columns(shape.hidden, query)
    if query_rank:
        queries = join_adapters(adapt_replicated(shape.hidden, query_rank), adapt_columns(query_rank, query))
    return join_adapters(
        down,
        queries,
        adapt_columns(rank, shape.heads * (nope + value)),
        adapt_rows(shape.heads * value, shape.hidden),
    )


def _resolve(config: Config, flag: Flag) -> int:
    if isinstance(flag, str):
        return int(get_bool(config, flag, default=False))
    return int(flag)

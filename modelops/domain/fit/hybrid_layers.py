"""Layers with a constant state (Mamba 2, gated delta net) and layouts that mix several kinds.

State shapes: `MambaStateShapeCalculator`, vllm/model_executor/layers/mamba/mamba_utils.py (0.32).
Weights: mamba_mixer2.py, qwen3_next.py, nemotron_h.py, granitemoehybrid.py, falcon_h1.py, gemma4.py.
"""

from dataclasses import replace

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.adapters import adapt_columns, adapt_mlp, adapt_rows, join_adapters
from modelops.domain.fit.config_reader import Config, get_bool, get_int, require_int
from modelops.domain.fit.layouts import Layout
from modelops.domain.fit.specs import (
    AdapterShape,
    CacheShape,
    Layer,
    LayerKind,
    LayerWeights,
    LinearState,
)
from modelops.domain.fit.text_layers import (
    TextShape,
    adapt_layer_mlp,
    build_standard_layer,
    count_mlp,
    read_layer_kinds,
)

_NO_CACHE = CacheShape(LayerKind.NONE)


def build_gated_delta_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build Qwen3-Next-like layers: most hold a gated delta net, every n-th full attention."""
    if isinstance(config.get("layer_types"), list):
        kinds = read_layer_kinds(config, layout, shape.layers)
    else:
        interval = get_int(config, "full_attention_interval", 4) or 4
        kinds = [
            LayerKind.FULL if (index + 1) % interval == 0 else LayerKind.LINEAR
            for index in range(shape.layers)
        ]
    return [
        _build_gated_delta(config, layout, shape, index)
        if kind is LayerKind.LINEAR
        else build_standard_layer(config, layout, shape, index, kind)
        for index, kind in enumerate(kinds)
    ]


def _build_gated_delta(config: Config, layout: Layout, shape: TextShape, index: int) -> Layer:
    key_heads = require_int(config, "linear_num_key_heads")
    value_heads = require_int(config, "linear_num_value_heads")
    key_dim = require_int(config, "linear_key_head_dim")
    value_dim = require_int(config, "linear_value_head_dim")
    kernel = get_int(config, "linear_conv_kernel_dim", 4) or 4
    keys, values = key_heads * key_dim, value_heads * value_dim
    mlp, experts, mlp_plain, mlp_sharded = count_mlp(config, layout, shape, index)
    state = LinearState(
        convolution_elements=(2 * keys + values) * (kernel - 1),
        recurrent_elements=value_heads * value_dim * key_dim,
        recurrent_is_float32=_is_state_float32(config),
        convolution_width=2 * keys + values,
    )
    attention = shape.hidden * (2 * keys + 2 * values + 2 * value_heads) + values * shape.hidden
    return Layer(
        CacheShape(LayerKind.LINEAR, state=state),
        LayerWeights(
            attention=attention,
            mlp=mlp,
            experts=experts,
            plain=layout.norms * shape.hidden + value_dim + mlp_plain,
            plain_sharded=(2 * keys + values) * kernel + 2 * value_heads + mlp_sharded,
        ),
        join_adapters(
            adapt_columns(shape.hidden, 2 * keys + 2 * values),
            adapt_columns(shape.hidden, 2 * value_heads),
            adapt_rows(values, shape.hidden),
            adapt_layer_mlp(config, layout, shape, index),
        ),
    )


def _is_state_float32(config: Config) -> bool:
    dtype = config.get("mamba_ssm_dtype") or config.get("mamba_ssm_cache_dtype")
    return str(dtype).removeprefix("torch.") == "float32"


def _build_mamba2(config: Config, shape: TextShape, *, heads: int, head_dim: int) -> Layer:
    groups = get_int(config, ("n_groups", "mamba_n_groups"), 1) or 1
    state_size = require_int(config, ("ssm_state_size", "mamba_d_state"))
    kernel = get_int(config, ("conv_kernel", "mamba_d_conv"), 4) or 4
    inner = heads * head_dim
    convolution = inner + 2 * groups * state_size
    has_bias = get_bool(config, "use_conv_bias", default=get_bool(config, "mamba_conv_bias", default=True))
    return Layer(
        CacheShape(
            LayerKind.LINEAR,
            state=LinearState(
                convolution_elements=convolution * (kernel - 1),
                recurrent_elements=heads * head_dim * state_size,
                recurrent_is_float32=_is_state_float32(config),
                convolution_width=convolution,
            ),
        ),
        LayerWeights(
            attention=shape.hidden * (inner + convolution + heads) + inner * shape.hidden,
            plain_sharded=convolution * (kernel + int(has_bias)) + 3 * heads + inner,
            plain=shape.hidden,
        ),
        join_adapters(
            adapt_columns(shape.hidden, inner + convolution + heads), adapt_rows(inner, shape.hidden)
        ),
    )


def build_nemotron_h_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build blocks that are each one thing, as `hybrid_override_pattern` spells: M, *, - or E."""
    pattern = config.get("hybrid_override_pattern")
    if not isinstance(pattern, str):
        names = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
        listed = config.get("layers_block_type")
        if not isinstance(listed, list) or any(str(item) not in names for item in listed):
            raise FieldError("config.hybrid_override_pattern", fill_in("is missing"))
        pattern = "".join(names[str(item)] for item in listed)
    heads = require_int(config, "mamba_num_heads")
    mamba = _build_mamba2(config, shape, heads=heads, head_dim=require_int(config, "mamba_head_dim"))
    no_mlp = replace(shape, intermediate=0, moe=None)
    one_norm = replace(layout, norms=1)
    blocks = {
        "M": mamba,
        "*": build_standard_layer(config, one_norm, no_mlp, 0, LayerKind.FULL),
        "-": Layer(
            _NO_CACHE,
            LayerWeights(mlp=2 * shape.hidden * shape.intermediate, plain=shape.hidden),
            adapt_mlp(shape.hidden, shape.intermediate, is_gated=False),
        ),
    }
    if "E" in pattern:
        blocks["E"] = _build_nemotron_experts(config, shape)
    unknown = set(pattern) - set(blocks)
    if unknown:
        raise FieldError(
            "config.hybrid_override_pattern",
            fill_in("has an unknown block {unknown}", unknown=repr(unknown.pop())),
        )
    return [blocks[letter] for letter in pattern]


def _build_nemotron_experts(config: Config, shape: TextShape) -> Layer:
    experts = require_int(config, "n_routed_experts")
    inner = require_int(config, "moe_intermediate_size")
    latent = get_int(config, "moe_latent_size")
    shared = get_int(config, "n_shared_experts", 0) or 0
    shared_inner = get_int(config, "moe_shared_expert_intermediate_size", inner) or inner
    return Layer(
        _NO_CACHE,
        LayerWeights(
            mlp=2 * shape.hidden * shared * shared_inner,
            experts=experts * 2 * (latent or shape.hidden) * inner,
            replicated=2 * shape.hidden * latent if latent else 0,
            plain=shape.hidden + experts * (shape.hidden + 1),
        ),
        join_adapters(
            adapt_mlp(latent or shape.hidden, inner, is_gated=False, copies=experts),
            adapt_mlp(shape.hidden, shared * shared_inner, is_gated=False),
        ),
    )


def build_granite_hybrid_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build layers of Mamba 2 or attention, each followed by an MLP (and experts in Granite's)."""
    listed = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(listed, list):
        kinds = read_layer_kinds({**config, "layer_types": listed}, layout, shape.layers)
    elif isinstance(indices := config.get("attn_layer_indices"), list):
        kinds = [LayerKind.FULL if i in indices else LayerKind.LINEAR for i in range(shape.layers)]
    else:
        raise FieldError("config.layer_types", fill_in("is missing"))
    heads, head_dim = _read_mamba_heads(config, shape)
    mamba = _build_mamba2(config, shape, heads=heads, head_dim=head_dim)
    attention = build_standard_layer(
        config, replace(layout, norms=1), replace(shape, intermediate=0, moe=None), 0, LayerKind.FULL
    )
    dense = get_int(config, "shared_intermediate_size", shape.intermediate) or 0
    experts = get_int(config, "num_local_experts", 0) or 0
    mlp = LayerWeights(
        mlp=3 * shape.hidden * dense,
        experts=experts * 3 * shape.hidden * shape.intermediate,
        plain=shape.hidden * (1 + experts),
    )
    adapter = join_adapters(
        adapt_mlp(shape.hidden, dense, is_gated=True),
        adapt_mlp(shape.hidden, shape.intermediate, is_gated=True, copies=experts),
    )
    return [_join(mamba if kind is LayerKind.LINEAR else attention, mlp, adapter) for kind in kinds]


def _read_mamba_heads(config: Config, shape: TextShape) -> tuple[int, int]:
    heads = require_int(config, "mamba_n_heads")
    inner = get_int(config, "mamba_d_ssm") or (get_int(config, "mamba_expand", 2) or 2) * shape.hidden
    declared = config.get("mamba_d_head")
    return heads, declared if isinstance(declared, int) else inner // heads


def build_falcon_h1_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build blocks where attention and Mamba 2 run side by side; each is listed as a layer of its own."""
    heads, head_dim = _read_mamba_heads(config, shape)
    mamba = _build_mamba2(config, shape, heads=heads, head_dim=head_dim)
    attention = build_standard_layer(config, replace(layout, norms=1), shape, 0, LayerKind.FULL)
    return [attention, mamba] * shape.layers


def build_gemma4_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build Gemma 4's layers: full attention has its own head size, late layers may share a cache."""
    kinds = read_layer_kinds(config, layout, shape.layers)
    global_heads = get_int(config, "num_global_key_value_heads", shape.kv_heads) or shape.kv_heads
    is_key_value = get_bool(config, "attention_k_eq_v", default=False)
    full = replace(
        shape,
        head_dim=get_int(config, "global_head_dim", shape.head_dim) or shape.head_dim,
        kv_heads=global_heads if is_key_value else shape.kv_heads,
    )
    first_shared = shape.layers - (get_int(config, "num_kv_shared_layers", 0) or 0)
    is_wide = get_bool(config, "use_double_wide_mlp", default=False)
    extra = _count_gemma4_extras(config, shape)
    layers = []
    for index, kind in enumerate(kinds):
        sizes = full if kind is LayerKind.FULL else shape
        is_shared = index >= first_shared
        if is_shared and is_wide:
            sizes = replace(sizes, intermediate=2 * sizes.intermediate)
        layer = build_standard_layer(config, layout, replace(sizes, moe=None), index, kind)
        if is_shared:
            layer = replace(
                layer, cache=replace(layer.cache, is_shared=True), weights=replace(layer.weights, key_value=0)
            )
        layers.append(_join(layer, extra))
    return layers


def _count_gemma4_extras(config: Config, shape: TextShape) -> LayerWeights:
    per_layer = get_int(config, "hidden_size_per_layer_input", 0) or 0
    replicated = 2 * shape.hidden * per_layer
    plain = 1 + (shape.hidden if per_layer else 0)
    experts = 0
    if get_bool(config, "enable_moe_block", default=False):
        count = require_int(config, "num_experts")
        experts = count * 3 * shape.hidden * require_int(config, "moe_intermediate_size")
        plain += count * (shape.hidden + 1) + 4 * shape.hidden
    return LayerWeights(experts=experts, replicated=replicated, plain=plain)


def _join(layer: Layer, more: LayerWeights, adapter: AdapterShape | None = None) -> Layer:
    first = layer.weights
    shapes = [each for each in (layer.adapter, adapter) if each is not None]
    return Layer(
        layer.cache,
        LayerWeights(
            attention=first.attention + more.attention,
            key_value=first.key_value + more.key_value,
            mlp=first.mlp + more.mlp,
            experts=first.experts + more.experts,
            replicated=first.replicated + more.replicated,
            plain=first.plain + more.plain,
            plain_sharded=first.plain_sharded + more.plain_sharded,
        ),
        join_adapters(*shapes) if layer.adapter is not None else None,
    )

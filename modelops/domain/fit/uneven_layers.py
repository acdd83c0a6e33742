"""Decoders whose layers differ from each other in heads, or hold several attentions each."""

from dataclasses import replace

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.adapters import adapt_columns, adapt_replicated, adapt_rows, join_adapters
from modelops.domain.fit.config_reader import Config, get_bool, get_int, require_int
from modelops.domain.fit.layouts import Layout
from modelops.domain.fit.specs import AdapterShape, CacheShape, Layer, LayerKind, LayerWeights
from modelops.domain.fit.text_layers import (
    TextShape,
    adapt_layer_mlp,
    build_latent_layer,
    build_standard_layer,
    count_mlp,
    read_layer_kinds,
)


def build_mimo_v2_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build MiMo V2's layers: those with a window have other heads, and all have shorter values than keys.

    Source: `MiMoV2FlashDecoderLayer` (mimo_v2.py), 0.33.
    """
    pattern = config.get("hybrid_layer_pattern")
    if not isinstance(pattern, list) or len(pattern) < shape.layers:
        raise FieldError("config.hybrid_layer_pattern", fill_in("is missing"))
    return [
        _build_mimo_v2(config, layout, shape, index, is_sliding=bool(pattern[index]))
        for index in range(shape.layers)
    ]


def _build_mimo_v2(
    config: Config, layout: Layout, shape: TextShape, index: int, *, is_sliding: bool
) -> Layer:
    prefix = "swa_" if is_sliding else ""
    heads = require_int(config, f"{prefix}num_attention_heads")
    kv_heads = require_int(config, f"{prefix}num_key_value_heads")
    key_dim, value_dim = require_int(config, f"{prefix}head_dim"), require_int(config, f"{prefix}v_head_dim")
    kind = LayerKind.SLIDING if is_sliding else LayerKind.FULL
    window = require_int(config, ("sliding_window", "sliding_window_size")) if is_sliding else None
    sinks = "add_swa_attention_sink_bias" if is_sliding else "add_full_attention_sink_bias"
    mlp, experts, mlp_plain, mlp_sharded = count_mlp(config, layout, shape, index)
    outputs = heads * key_dim + kv_heads * (key_dim + value_dim)
    return Layer(
        CacheShape(kind, kv_heads, key_dim, value_dim, window),
        LayerWeights(
            attention=shape.hidden * heads * (key_dim + value_dim),
            key_value=shape.hidden * kv_heads * (key_dim + value_dim),
            mlp=mlp,
            experts=experts,
            plain=2 * shape.hidden + mlp_plain,
            plain_sharded=mlp_sharded + (heads if get_bool(config, sinks, default=False) else 0),
        ),
        join_adapters(
            adapt_columns(shape.hidden, outputs, slices=3),
            adapt_rows(heads * value_dim, shape.hidden),
            adapt_layer_mlp(config, layout, shape, index),
        ),
    )


def build_longcat_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build LongCat's layers as two each: both have latent attention and an MLP, one the experts besides.

    Experts that only pass their input on (`zero_expert_num`) have a row of the router and no weights.
    Source: `FlashDecoderLayer` (longcat_flash.py), 0.33.
    """
    dense = build_latent_layer(config, layout, replace(shape, moe=None), 0)
    moe = shape.moe
    if moe is None:
        raise FieldError("config.n_routed_experts", fill_in("is missing"))
    routed = moe.experts + (get_int(config, "zero_expert_num", 0) or 0)
    sparse = Layer(
        dense.cache,
        replace(
            dense.weights,
            experts=moe.experts * 3 * shape.hidden * moe.intermediate_size,
            plain=dense.weights.plain + routed * shape.hidden,
        ),
        join_adapters(
            dense.adapter or AdapterShape(), adapt_layer_mlp(config, replace(layout, moe="all"), shape, 0)
        ),
    )
    return [sparse, dense] * shape.layers


def build_gemma3n_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build Gemma 3n's layers: late ones read the cache of earlier ones, all have side paths.

    Source: `Gemma3nDecoderLayer` with `Gemma3nAltUp` and `Gemma3nLaurelBlock` (gemma3n.py), 0.33.
    """
    first_shared = shape.layers - (get_int(config, "num_kv_shared_layers", 0) or 0)
    inputs = require_int(config, "altup_num_inputs")
    laurel = require_int(config, "laurel_rank")
    per_layer = require_int(config, "hidden_size_per_layer_input")
    side = 2 * shape.hidden * (laurel + per_layer)
    plain = (4 + inputs) * shape.hidden + inputs**2 * (1 + inputs)
    layers = []
    for index, kind in enumerate(read_layer_kinds(config, layout, shape.layers)):
        layer = build_standard_layer(config, layout, shape, index, kind)
        weights = replace(
            layer.weights, replicated=layer.weights.replicated + side, plain=layer.weights.plain + plain
        )
        room = join_adapters(
            layer.adapter or AdapterShape(),
            adapt_replicated(shape.hidden, laurel),
            adapt_replicated(laurel, shape.hidden),
            adapt_replicated(shape.hidden, per_layer),
            adapt_replicated(per_layer, shape.hidden),
        )
        cache = replace(layer.cache, is_shared=index >= first_shared)
        layers.append(Layer(cache, weights, room))
    return layers

"""Decoders that mix attention with short convolutions (LFM2) or with delta attention (Kimi Linear)."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.adapters import (
    adapt_columns,
    adapt_mlp,
    adapt_replicated,
    adapt_rows,
    join_adapters,
)
from modelops.domain.fit.config_reader import Config, get_bool, get_int, require_int
from modelops.domain.fit.layouts import Layout
from modelops.domain.fit.specs import CacheShape, Layer, LayerKind, LayerWeights, LinearState
from modelops.domain.fit.text_layers import (
    TextShape,
    adapt_layer_mlp,
    build_latent_layer,
    build_standard_layer,
    count_mlp,
    read_layer_kinds,
)


def build_short_convolution_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build LFM2's layers: a gated short convolution or attention, each followed by an MLP or experts.

    Source: `Lfm2ShortConvDecoderLayer` (lfm2.py), `ShortConv` (layers/mamba/short_conv.py), 0.33.
    """
    kinds = read_layer_kinds(config, layout, shape.layers)
    fitted = _fit_intermediate(config, shape)
    return [
        _build_short_convolution(config, layout, fitted, index)
        if kind is LayerKind.LINEAR
        else build_standard_layer(config, layout, fitted, index, kind)
        for index, kind in enumerate(kinds)
    ]


def _fit_intermediate(config: Config, shape: TextShape) -> TextShape:
    """Two thirds of the declared size, rounded up to a multiple (`block_auto_adjust_ff_dim`)."""
    if shape.moe is not None or not get_bool(config, "block_auto_adjust_ff_dim", default=False):
        return shape
    step = get_int(config, "block_multiple_of", 256) or 256
    multiplier = config.get("block_ffn_dim_multiplier")
    inner = int(float(multiplier or 1.0) * int(2 * shape.intermediate / 3))
    return replace(shape, intermediate=-(-inner // step) * step)


def _build_short_convolution(config: Config, layout: Layout, shape: TextShape, index: int) -> Layer:
    kernel = require_int(config, "conv_L_cache")
    mlp, experts, mlp_plain, mlp_sharded = count_mlp(config, layout, shape, index)
    hidden = shape.hidden
    return Layer(
        CacheShape(LayerKind.LINEAR, state=LinearState(hidden * (kernel - 1), 0, convolution_width=hidden)),
        LayerWeights(
            attention=4 * hidden * hidden,
            mlp=mlp,
            experts=experts,
            plain=2 * hidden + mlp_plain,
            plain_sharded=hidden * kernel + mlp_sharded,
        ),
        join_adapters(
            adapt_columns(hidden, 3 * hidden, slices=3),
            adapt_rows(hidden, hidden),
            adapt_layer_mlp(config, layout, shape, index),
        ),
    )


def build_kimi_linear_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build Kimi Linear's layers: delta attention with a constant state, every fourth latent attention.

    Source: `KimiGatedDeltaNetAttention` (layers/mamba/gdn/kimi_gdn_linear_attn.py) and `kda_state_shape`
    (layers/mamba/mamba_utils.py), 0.33; `linear_attn_config` counts layers from one.
    """
    section = config.get("linear_attn_config")
    listed = section.get("full_attn_layers") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(listed, list):
        raise FieldError("config.linear_attn_config", fill_in("is missing"))
    return [
        build_latent_layer(config, layout, shape, index)
        if index + 1 in listed
        else _build_delta_attention(config, section, layout, shape, index)
        for index in range(shape.layers)
    ]


def _build_delta_attention(
    config: Config, section: Config, layout: Layout, shape: TextShape, index: int
) -> Layer:
    heads, dim = require_int(section, "num_heads"), require_int(section, "head_dim")
    kernel = get_int(section, "short_conv_kernel_size", 4) or 4
    width = heads * dim
    mlp, experts, mlp_plain, mlp_sharded = count_mlp(config, layout, shape, index)
    return Layer(
        CacheShape(
            LayerKind.LINEAR,
            state=LinearState(
                3 * width * (kernel - 1),
                heads * dim * dim,
                recurrent_is_float32=True,
                convolution_width=3 * width,
            ),
        ),
        LayerWeights(
            attention=4 * shape.hidden * width + 2 * dim * width + shape.hidden * heads,
            mlp=mlp,
            experts=experts,
            replicated=2 * shape.hidden * dim,
            plain=layout.norms * shape.hidden + dim + mlp_plain,
            plain_sharded=3 * width * kernel + width + heads + mlp_sharded,
        ),
        join_adapters(
            adapt_columns(shape.hidden, 3 * width, slices=3),
            adapt_replicated(shape.hidden, 2 * dim),
            adapt_columns(dim, 2 * width, slices=2),
            adapt_rows(width, shape.hidden),
            adapt_layer_mlp(config, layout, shape, index),
        ),
    )


def build_encoder_decoder_layers(config: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build Whisper's layers: the encoder's, then of each decoder layer its two attentions one by one.

    Attention to the sound keeps the encoder's output for as long as the request lives, whatever the text's
    length: `CrossAttentionSpec` (vllm/v1/kv_cache_interface.py:1221), whisper.py, 0.33.
    """
    sounds = require_int(config, "max_source_positions")
    mels = get_int(config, "num_mel_bins", 80) or 80
    hidden, inner = shape.hidden, shape.intermediate
    block = LayerWeights(
        attention=2 * hidden * hidden,
        key_value=2 * hidden * hidden,
        mlp=2 * hidden * inner,
        plain=6 * hidden,
        plain_sharded=3 * hidden + inner,
    )
    crossing = LayerWeights(
        attention=2 * hidden * hidden,
        key_value=2 * hidden * hidden,
        plain=3 * hidden,
        plain_sharded=3 * hidden,
    )
    front = LayerWeights(plain=(3 * mels + 3 * hidden + 2 + sounds + 2) * hidden)
    room = join_adapters(
        adapt_columns(hidden, 3 * hidden, slices=3),
        adapt_rows(hidden, hidden),
        adapt_mlp(hidden, inner, is_gated=False),
    )
    crossing_room = join_adapters(adapt_columns(hidden, 3 * hidden, slices=3), adapt_rows(hidden, hidden))
    heads = shape.kv_heads, shape.head_dim, shape.head_dim
    encoder = [Layer(CacheShape(LayerKind.NONE), block, room)] * require_int(config, "encoder_layers")
    decoder = [
        Layer(CacheShape(LayerKind.FULL, *heads), block, room),
        Layer(CacheShape(LayerKind.CROSS, *heads, sounds), crossing, crossing_room),
    ] * require_int(config, "decoder_layers")
    return [Layer(CacheShape(LayerKind.NONE), front, join_adapters()), *encoder, *decoder]

"""Which builder makes the layers of a layout."""

from collections.abc import Callable, Mapping

from modelops.domain.fit.config_reader import Config, get_int
from modelops.domain.fit.hybrid_layers import (
    build_falcon_h1_layers,
    build_gated_delta_layers,
    build_gemma4_layers,
    build_granite_hybrid_layers,
    build_nemotron_h_layers,
)
from modelops.domain.fit.layouts import Layout
from modelops.domain.fit.recurrent_layers import (
    build_encoder_decoder_layers,
    build_kimi_linear_layers,
    build_short_convolution_layers,
)
from modelops.domain.fit.specs import Layer
from modelops.domain.fit.text_layers import (
    TextShape,
    build_latent_layer,
    build_standard_layer,
    read_layer_kinds,
)
from modelops.domain.fit.uneven_layers import (
    build_gemma3n_layers,
    build_longcat_layers,
    build_mimo_v2_layers,
)

_BUILDERS: Mapping[str, Callable[[Config, Layout, TextShape], list[Layer]]] = {
    "encoder_decoder": build_encoder_decoder_layers,
    "falcon_h1": build_falcon_h1_layers,
    "gated_delta": build_gated_delta_layers,
    "gemma3n": build_gemma3n_layers,
    "gemma4": build_gemma4_layers,
    "granite_hybrid": build_granite_hybrid_layers,
    "kimi_linear": build_kimi_linear_layers,
    "longcat": build_longcat_layers,
    "mimo_v2": build_mimo_v2_layers,
    "nemotron_h": build_nemotron_h_layers,
    "short_convolution": build_short_convolution_layers,
}


def build_layers(text: Config, layout: Layout, shape: TextShape) -> list[Layer]:
    """Build all layers of a decoder. Raises FieldError or UnknownLayoutError."""
    if layout.builder in _BUILDERS:
        return _BUILDERS[layout.builder](text, layout, shape)
    if layout.builder == "mla" and get_int(text, "kv_lora_rank"):
        return [build_latent_layer(text, layout, shape, index) for index in range(shape.layers)]
    kinds = read_layer_kinds(text, layout, shape.layers)
    return [build_standard_layer(text, layout, shape, index, kind) for index, kind in enumerate(kinds)]

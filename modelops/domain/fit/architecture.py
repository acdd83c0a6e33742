"""Turn a HuggingFace config.json into a `ModelArchitecture`, or say why it is not understood."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.config_reader import (
    DRAFT_LAYERS,
    HIDDEN,
    LAYERS,
    VOCABULARY,
    Config,
    find_nested_section,
    find_text_config,
    get_bool,
    get_int,
    name_decoder,
    require_int,
    squash,
)
from modelops.domain.fit.context_length import derive_context_limits
from modelops.domain.fit.layer_builders import build_layers
from modelops.domain.fit.layouts import (
    ADAPTED_VOCABULARIES,
    ALIASES,
    LAYOUTS,
    NESTED_DEFAULTS,
    VISION_TYPES,
    Layout,
)
from modelops.domain.fit.module_lists import apply_module_lists
from modelops.domain.fit.quantization import find_quantization_config, parse_quantization
from modelops.domain.fit.specs import Dtype, Layer, LayerKind, ModelArchitecture
from modelops.domain.fit.text_layers import TextShape, read_shape
from modelops.domain.fit.towers import MULTIMODAL_CLASSES
from modelops.domain.fit.vision import read_vision_tower

_CLASS_SUFFIXES = (
    "forconditionalgeneration",
    "forsequenceclassification",
    "fortokenclassification",
    "forprocessrewardmodel",
    "forrewardmodel",
    "forcausallm",
    "formaskedlm",
    "lmheadmodel",
    "chatmodel",
    "textmodel",
    "embeddingmodel",
    "model",
)
_POOLING_SUFFIXES = (
    "ForTextEncoding",
    "EmbeddingModel",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForRewardModeling",
    "RewardModel",
    "ClassificationModel",
    "ForMaskedLM",
)
_MULTIMODAL_SUFFIXES = ("ForConditionalGeneration", "ForImageTextToText", "VForCausalLM", "VLChatModel")
_GENERATING_SUFFIXES = ("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel")
_GENERATING_CLASSES = ("ChatGLMModel",)
_WITHOUT_TOWER = frozenset({"chatglm", "whisper"})
"""Types whose classes are called as those of multimodal models, and have no tower beside the decoder."""

_FOREIGN_MARKERS = (
    "ssm",
    "mamba",
    "linear_num",
    "linear_attn",
    "lora_rank",
    "compress",
    "rwkv",
    "kda",
    "block_configs",
    "cross_attention",
    "is_encoder_decoder",
    "encoder_layers",
    "altup",
    "conv_",
    "index_",
)


@dataclass(frozen=True)
class _Identity:
    model_type: str
    layout: Layout | None
    tower_type: str | None
    """The family of the tower its class builds, None for a class without one."""


def parse_architecture(config: Config, quantization_flag: str | None = None) -> ModelArchitecture:
    """Parse a config.json.

    Raises FieldError for a missing or impossible field and UnknownLayoutError for a layout that is
    not understood. A regular decoder whose type is not in the table comes back with
    `is_layout_known` False: its cache follows from its attention fields, its weights do not.
    """
    text = find_text_config(config)
    identity = _identify(config, text)
    layout = identity.layout
    if find_nested_section(config) is not None:
        defaults = NESTED_DEFAULTS.get(identity.model_type, {})
        text = {**defaults, **{key: value for key, value in text.items() if value is not None}}
    if layout is None:
        _reject_foreign(text, identity.model_type)
        layout = Layout()
    if layout.builder == "unknown":
        raise UnknownLayoutError(
            fill_in(
                "model type {model_type} varies from layer to layer, as {key} says",
                model_type=repr(identity.model_type),
                key=repr(_find_varying(text)),
            )
        )
    if text.get("is_causal") is False or text.get("use_bidirectional_attention") is True:
        layout = replace(layout, is_encoder=True)
    if layout.builder == "encoder_decoder":
        text = name_decoder(text)
    shape = read_shape(text, layout, identity.model_type)
    layers = build_layers(text, layout, shape)
    return _assemble(config, text, identity, layout, shape, layers, quantization_flag)


def _identify(config: Config, text: Config) -> _Identity:
    names = [str(text.get("model_type") or ""), str(config.get("model_type") or "")]
    classes = config.get("architectures") or text.get("architectures") or []
    names += [str(item) for item in classes] if isinstance(classes, list) else [str(classes)]
    candidates = [squash(name) for name in names if name]
    if not candidates:
        raise FieldError("config.model_type", fill_in("is missing, and so is architectures"))
    stripped = [_strip(name) for name in candidates]
    tower = next((name for name in stripped if name in VISION_TYPES), None)
    if tower is None and _is_multimodal(config) and not _WITHOUT_TOWER & set(stripped):
        tower = stripped[-1]
    for name in candidates:
        for key in (name, _strip(name)):
            key = ALIASES.get(key, key)
            if key in LAYOUTS:
                return _Identity(key, LAYOUTS[key], tower)
    return _Identity(candidates[0], None, tower)


def _strip(name: str) -> str:
    for suffix in _CLASS_SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            name = name.removesuffix(suffix)
            break
    return name.removesuffix("text") if name != "text" else name


def _find_varying(text: Config) -> str:
    """The field that describes layers one by one."""
    listed = [key for key, value in text.items() if isinstance(value, list) and key != "architectures"]
    return next((key for key in listed if key in _FOREIGN_MARKERS), listed[0] if listed else "model_type")


def _reject_foreign(text: Config, model_type: str) -> None:
    for key, value in text.items():
        if value and any(marker in key for marker in _FOREIGN_MARKERS):
            raise UnknownLayoutError(
                fill_in(
                    "model type {model_type} is not in the table and has {key}",
                    model_type=repr(model_type),
                    key=repr(key),
                )
            )


def _assemble(
    config: Config,
    text: Config,
    identity: _Identity,
    layout: Layout,
    shape: TextShape,
    layers: list[Layer],
    quantization_flag: str | None,
) -> ModelArchitecture:
    limits = derive_context_limits(text)
    vocabulary = require_int(text, VOCABULARY)
    is_tied = get_bool(text, "tie_word_embeddings", default=layout.is_tied)
    is_pooling = _is_pooling(config)
    lm_head = 0 if is_tied or is_pooling else vocabulary * shape.hidden
    embedding, other = _count_outside_layers(text, layout, shape, vocabulary, limits.longest)
    if layout.lm_head_bias and not is_tied:
        other += vocabulary
    tower = identity.tower_type
    vision = read_vision_tower(config, shape.hidden, model_type=tower or "", is_expected=tower is not None)
    architecture = ModelArchitecture(
        model_type=identity.model_type,
        layers=tuple(layers),
        hidden_size=shape.hidden,
        vocab_size=vocabulary,
        attention_heads=shape.heads,
        kv_heads=shape.kv_heads,
        intermediate_size=shape.intermediate,
        is_gated=layout.is_gated,
        embedding_parameters=embedding,
        lm_head_parameters=lm_head,
        other_parameters=other,
        rotary_elements=_count_rotary(text, layout, shape, limits.rotary_positions),
        max_positions=limits.longest,
        default_max_model_len=limits.default,
        dtype=read_dtype(config, text),
        moe=shape.moe,
        vision=vision,
        quantization=parse_quantization({**text, **_own_quantization(config)}, quantization_flag),
        is_pooling=is_pooling,
        is_multimodal=vision is not None or _is_multimodal(config),
        draft_layers=get_int(text, DRAFT_LAYERS, 0) or 0,
        draft=_build_draft(text, layout, shape, layers),
        adapts_vocabulary=identity.model_type in ADAPTED_VOCABULARIES,
        is_layout_known=identity.layout is not None,
        allows_float16=layout.allows_float16,
        state_heads=get_int(text, ("linear_num_value_heads", "mamba_num_heads", "mamba_n_heads"), 0) or 0,
    )
    lists = find_quantization_config({**text, **_own_quantization(config)})
    return _add_attention_dims(text, shape, apply_module_lists(architecture, lists))


def _build_draft(text: Config, layout: Layout, shape: TextShape, layers: list[Layer]) -> tuple[Layer, ...]:
    """Build the extra layers that guess further tokens: as the last one with attention, and a projection.

    Each joins the embedding with the hidden state before it (`eh_proj` or `fc`), between three norms:
    deepseek_mtp.py, qwen3_next_mtp.py, glm4_moe_mtp.py, ernie_mtp.py under vllm/model_executor/models, 0.33.
    """
    count = get_int(text, DRAFT_LAYERS, 0) or 0
    attention = [layer for layer in layers if layer.cache.kind in (LayerKind.FULL, LayerKind.MLA)]
    if not attention or layout.builder not in ("standard", "mla", "gated_delta"):
        return ()
    last = attention[-1]
    extra = 2 * shape.hidden * shape.hidden + 3 * shape.hidden
    return (replace(last, weights=replace(last.weights, plain=last.weights.plain + extra)),) * count


def _own_quantization(config: Config) -> dict[str, Any]:
    keys = ("quantization_config", "compression_config")
    return {key: config[key] for key in keys if config.get(key) is not None}


def _count_outside_layers(
    text: Config, layout: Layout, shape: TextShape, vocabulary: int, positions: int
) -> tuple[int, int]:
    """Return the parameters of the embedding tables and of the final norms."""
    embedding = vocabulary * shape.hidden
    other = layout.extra_norms * shape.hidden * (2 if layout.norm_has_bias else 1)
    if layout.learned_positions >= 0:
        embedding += (positions + layout.learned_positions) * shape.hidden
        embedding += (get_int(text, "type_vocab_size", 0) or 0) * shape.hidden
    if per_layer := get_int(text, "hidden_size_per_layer_input"):
        rows = get_int(text, "vocab_size_per_layer_input", vocabulary) or vocabulary
        embedding += rows * shape.layers * per_layer
        other += shape.hidden * shape.layers * per_layer + per_layer
    if streams := get_int(text, "altup_num_inputs"):
        other += 2 * (streams - 1) * shape.hidden * shape.hidden
    return embedding, other


def _count_rotary(text: Config, layout: Layout, shape: TextShape, positions: int) -> int:
    """Elements of the cosine and sine table, kept in the model's dtype and shared by all layers.

    Source: `RotaryEmbedding`, vllm/model_executor/layers/rotary_embedding/base.py; built for the
    model's positions, not for the context asked for.
    """
    if not layout.is_rotary or get_bool(text, "alibi", default=False):
        return 0
    width = get_int(text, "qk_rope_head_dim") or shape.head_dim
    share = text.get("partial_rotary_factor") or text.get("rotary_pct") or 1.0
    rotary = get_int(text, "rotary_dim") or int(width * float(share))
    tables = 2 if text.get("rope_local_base_freq") else 1
    return tables * positions * rotary


def _add_attention_dims(text: Config, shape: TextShape, model: ModelArchitecture) -> ModelArchitecture:
    if not model.uses_mla:
        width = shape.heads * shape.head_dim
        return replace(model, attention_dims=(width, width))
    nope = require_int(text, "qk_nope_head_dim")
    value = require_int(text, "v_head_dim")
    rope = require_int(text, "qk_rope_head_dim")
    rank = require_int(text, "kv_lora_rank")
    return replace(
        model,
        attention_dims=(shape.heads * (nope + rope), shape.heads * value),
        latent_up_parameters=rank * shape.heads * (nope + value),
    )


def read_dtype(config: Config, text: Config) -> Dtype:
    """Return the checkpoint's dtype; float32 when the config is silent, as transformers has it."""
    for source in (text, config):
        name = str(source.get("torch_dtype") or source.get("dtype") or "").removeprefix("torch.")
        if name in ("half", "float16", "bfloat16", "float32", "float"):
            return Dtype({"half": "float16", "float": "float32"}.get(name, name))
    return Dtype.FLOAT32


def _is_pooling(config: Config) -> bool:
    """Source: `_SUFFIX_TO_DEFAULTS`, vllm/config/model.py."""
    classes = config.get("architectures")
    name = str(classes[0]) if isinstance(classes, list) and classes else ""
    if name.endswith(_GENERATING_SUFFIXES) or name in _GENERATING_CLASSES:
        return False
    return name.endswith(_POOLING_SUFFIXES) or name.endswith("Model")


def _is_multimodal(config: Config) -> bool:
    classes = config.get("architectures")
    name = str(classes[0]) if isinstance(classes, list) and classes else ""
    is_named = name.endswith(_MULTIMODAL_SUFFIXES) or name in MULTIMODAL_CLASSES
    return is_named or isinstance(config.get("audio_config"), Mapping)


def describe_size(config: Config) -> str:
    """Return a few words on the model for messages, such as "qwen2, 48 layers of 5120"."""
    text = find_text_config(config)
    kind = text.get("model_type") or config.get("model_type") or "unknown type"
    return f"{kind}, {get_int(text, LAYERS)} layers of {get_int(text, HIDDEN)}"

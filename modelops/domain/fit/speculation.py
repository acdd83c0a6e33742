"""Speculative decoding: what guesses the tokens, what it weighs, and which layers of its own have a cache.

Sources: `SpeculativeConfig` (vllm/config/speculative.py), `init_speculator` and `load_eagle_model`
(vllm/v1/worker/gpu/spec_decode), and the drafts' classes in vllm/model_executor/models, 0.33.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.config_reader import Config, get_int
from modelops.domain.fit.specs import (
    CheckpointFacts,
    Dtype,
    EngineSettings,
    Gpu,
    Layer,
    LayerKind,
    ModelArchitecture,
    Speculation,
)
from modelops.domain.fit.weights import estimate_weights

_WITHOUT_CONFIG = frozenset({"ngram", "suffix", "mtp"})
_HEADS = frozenset({"eagle", "eagle3"})
_EAGLE3_VOCABULARY = 32000
"""Rows of the head of most published EAGLE-3 drafts (`draft_vocab_size`)."""
_EAGLE3_STATES = 3
"""Hidden states of the model that an EAGLE-3 draft starts from (`num_aux_hidden_states`)."""
_SMALLEST_QUANTIZED_DRAFT_BITS = 8
"""Extra layers are quantized as the others where those have 8 bits, and left in 16 where they have 4."""


@dataclass(frozen=True)
class Draft:
    """What guesses tokens, on each GPU of the last pipeline stage."""

    weights_bytes: int = 0
    assumption: str = ""
    """What of it was assumed."""
    doubt: str = ""
    """Why nothing is known of it, though it will take memory."""


def parse_speculation(
    raw: Mapping[str, Any],
    draft_config: Config | None = None,
    draft_facts: CheckpointFacts | None = None,
) -> Speculation | None:
    """Read `speculative_config`; None for an empty one. Raises FieldError."""
    if not raw:
        return None
    model = str(raw.get("model") or "")
    method = _resolve_method(str(raw.get("method") or ""), model)
    draft = None
    if draft_config and method not in _WITHOUT_CONFIG:
        draft = _parse_draft(draft_config, method, raw.get("quantization"))
    predicted = get_int(draft_config or {}, ("num_lookahead_tokens", "n_predict"), 1)
    return Speculation(
        method=method,
        tokens=get_int(raw, "num_speculative_tokens", predicted) or 1,
        model=model,
        draft=draft,
        draft_facts=draft_facts or CheckpointFacts(),
        draft_tensor_parallel_size=get_int(raw, "draft_tensor_parallel_size"),
        keeps_probabilities=raw.get("draft_sample_method") == "probabilistic",
    )


def _resolve_method(method: str, model: str) -> str:
    """As `SpeculativeConfig.__post_init__` does: by name, else by what the draft's repository is called."""
    name = model.lower()
    if model in ("ngram", "[ngram]"):
        return "ngram"
    if method.endswith("mtp"):
        return "mtp"
    if method:
        return "ngram" if method == "ngram_gpu" else method
    if "eagle3" in name:
        return "eagle3"
    if "eagle-" in name:
        return "eagle"
    return "draft_model" if model else "mtp"


def _parse_draft(config: Config, method: str, quantization: Any) -> ModelArchitecture:
    """Raises FieldError for a draft whose shape is not understood."""
    try:
        draft = parse_architecture(config, str(quantization) if quantization else None)
    except UnknownLayoutError as exc:
        raise FieldError("draft_config", exc.wording) from exc
    except FieldError as exc:
        raise FieldError(f"draft_{exc.field}", exc.wording) from exc
    return _reduce_to_head(draft, config, method) if method in _HEADS else draft


def _reduce_to_head(draft: ModelArchitecture, config: Config, method: str) -> ModelArchitecture:
    """Return an EAGLE head: the embedding is the model's, and a projection joins what it is told.

    Source: `EagleLlamaForCausalLM` (llama_eagle.py) and `Eagle3LlamaForCausalLM` (llama_eagle3.py).
    """
    hidden = draft.hidden_size
    told = get_int(config, "target_hidden_size", hidden) or hidden
    states = get_int(config, "num_aux_hidden_states", _EAGLE3_STATES) or _EAGLE3_STATES
    if method == "eagle":
        return replace(
            draft,
            embedding_parameters=0,
            lm_head_parameters=0,
            other_parameters=draft.other_parameters + 2 * hidden * hidden,
        )
    rows = get_int(config, "draft_vocab_size", draft.vocab_size) or draft.vocab_size
    first, *others = draft.layers
    return replace(
        draft,
        layers=(_widen_input(first, draft), *others),
        vocab_size=rows,
        embedding_parameters=0,
        lm_head_parameters=rows * hidden,
        other_parameters=draft.other_parameters + states * told * hidden + hidden,
    )


def _widen_input(layer: Layer, draft: ModelArchitecture) -> Layer:
    """The first layer of EAGLE-3 attends to the embedding and the hidden state side by side."""
    query, _output = draft.attention_dims
    weights = layer.weights
    wider = replace(
        weights,
        attention=weights.attention + draft.hidden_size * query,
        key_value=2 * weights.key_value,
    )
    return replace(layer, weights=wider)


def weigh_draft(model: ModelArchitecture, settings: EngineSettings, dtype: Dtype, gpu: Gpu) -> Draft:
    """Return what guesses tokens; without weights where nothing does, or nothing that is known."""
    speculation = settings.speculation
    if speculation is None or not speculation.has_weights:
        return Draft()
    draft, note = _choose_draft(model, speculation)
    if draft is None:
        return Draft(doubt=note)
    try:
        weights = estimate_weights(
            draft,
            speculation.draft_facts,
            dtype=dtype,
            tensor_parallel_size=_find_ranks(speculation, settings),
            pipeline_parallel_size=1,
            gpu=gpu,
        )
    except UnknownLayoutError as exc:
        return Draft(doubt=fill_in("the draft is not considered: {reason}", reason=exc.wording))
    return Draft(weights.stage_bytes[0], assumption=note)


def _find_ranks(speculation: Speculation, settings: EngineSettings) -> int:
    return speculation.draft_tensor_parallel_size or settings.tensor_parallel_size


def list_draft_layers(model: ModelArchitecture, settings: EngineSettings) -> tuple[Layer, ...]:
    """The draft's layers, whose KV cache lies beside that of the last stage."""
    speculation = settings.speculation
    if speculation is None or not speculation.has_weights:
        return ()
    draft, _note = _choose_draft(model, speculation)
    spread = settings.tensor_parallel_size // _find_ranks(speculation, settings)
    return () if draft is None else tuple(_spread(layer, spread) for layer in draft.layers)


def _spread(layer: Layer, times: int) -> Layer:
    """A draft that is not split keeps the whole cache on each GPU."""
    if times <= 1:
        return layer
    return replace(layer, cache=replace(layer.cache, kv_heads=layer.cache.kv_heads * times))


def _choose_draft(model: ModelArchitecture, speculation: Speculation) -> tuple[ModelArchitecture | None, str]:
    """Return the draft as a model of its own, and what is to be said of it."""
    if speculation.method == "mtp":
        if not model.draft:
            return None, fill_in(
                "the draft is not considered: config.json names no layers for multi-token prediction"
            )
        return _reduce_to_layers(model), ""
    if speculation.draft is not None:
        return speculation.draft, ""
    if speculation.method in _HEADS and _is_regular(model):
        return _assume_head(model, speculation.method), fill_in(
            "the draft's config.json is not known: one layer of the model's own shape is assumed"
        )
    return None, fill_in(
        "the draft {name} is not considered: its config.json is not known, or not understood",
        name=speculation.model or speculation.method,
    )


def _reduce_to_layers(model: ModelArchitecture) -> ModelArchitecture:
    """The extra layers alone: embedding and head are the model's own (`load_eagle_model`)."""
    quantization = model.quantization
    if quantization is not None and (quantization.bits or 0) < _SMALLEST_QUANTIZED_DRAFT_BITS:
        quantization = None
    return replace(
        model,
        layers=model.draft,
        embedding_parameters=0,
        lm_head_parameters=0,
        other_parameters=0,
        rotary_elements=0,
        vision=None,
        quantization=quantization,
        is_layout_known=True,
        draft=(),
    )


def _is_regular(model: ModelArchitecture) -> bool:
    return model.moe is None and model.layers[0].cache.kind is LayerKind.FULL


def _assume_head(model: ModelArchitecture, method: str) -> ModelArchitecture:
    bare = replace(_reduce_to_layers(model), layers=model.layers[:1], quantization=None)
    config = {"draft_vocab_size": min(_EAGLE3_VOCABULARY, model.vocab_size)}
    return _reduce_to_head(bare, config, method)

"""Read a HuggingFace config.json whose fields have many names and sometimes sit in nested sections."""

from collections.abc import Mapping
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError

Config = Mapping[str, Any]

_TEXT_SECTIONS = ("text_config", "llm_config", "language_config", "language_model_config")
_MERGED_SECTIONS = ("moe", "mla", "attn_config", "ffn_config", "moe_config", "ssm_cfg")

HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
KV_HEADS = (
    "n_head_kv",
    "num_kv_heads",
    "num_key_value_heads",
    "multi_query_group_num",
    "num_attention_groups",
    "kv_n_heads",
)
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model", "word_embed_proj_dim")
INTERMEDIATE = ("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner", "inner_hidden_size")
VOCABULARY = ("vocab_size", "padded_vocab_size")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")
EXPERTS_PER_TOKEN = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "moe_top_k",
    "moe_topk",
    "moe_k",
    "top_k_experts",
)
SHARED_INTERMEDIATE = (
    "shared_expert_intermediate_size",
    "shared_intermediate_size",
    "moe_shared_expert_intermediate_size",
)
DRAFT_LAYERS = ("num_nextn_predict_layers", "mtp_num_hidden_layers")
EXPERT_INTERMEDIATE = ("moe_intermediate_size", "expert_ffn_hidden_size", "ffn_hidden_size")


def find_nested_section(config: Config) -> Config | None:
    """Return the decoder's own section of a multimodal config, None for a plain one."""
    found = (config.get(section) for section in _TEXT_SECTIONS)
    return next((section for section in found if isinstance(section, Mapping)), None)


def find_text_config(config: Config) -> Config:
    """Return the decoder's section with what it leaves out taken from the outer config.

    Source: `get_hf_text_config`, vllm/transformers_utils/config.py.
    """
    if isinstance(thinker := config.get("thinker_config"), Mapping):
        return find_text_config({**config, **thinker, "thinker_config": None})
    nested = find_nested_section(config)
    if nested is None:
        return _merge_sections(config)
    inherited = ("tie_word_embeddings", "torch_dtype", "dtype", "quantization_config", "vocab_size")
    outer = {key: config[key] for key in inherited if config.get(key) is not None}
    return _merge_sections({**outer, **nested})


def name_decoder(config: Config) -> Config:
    """Return an encoder-decoder's config with the decoder's sizes under the names that decoders have."""
    names = {
        "num_attention_heads": "decoder_attention_heads",
        "num_hidden_layers": "decoder_layers",
        "intermediate_size": "decoder_ffn_dim",
    }
    return {**config, **{name: config.get(theirs) for name, theirs in names.items()}}


def _merge_sections(config: Config) -> Config:
    merged = dict(config)
    for section in _MERGED_SECTIONS:
        if isinstance(nested := config.get(section), Mapping):
            for key, value in nested.items():
                if merged.get(key) is None:
                    merged[key] = value
    return merged


def get_int(config: Config, names: str | tuple[str, ...], default: int | None = None) -> int | None:
    """Return the first of `names` that holds a whole number, else `default`.

    Raises FieldError for a value of another kind.
    """
    for name in (names,) if isinstance(names, str) else names:
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, list) and value and all(item == value[0] for item in value):
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise FieldError(
                f"config.{name}", fill_in("must be a whole number, not {value}", value=repr(value))
            )
        return int(value)
    return default


def require_int(config: Config, names: str | tuple[str, ...]) -> int:
    """Return a whole number above zero; raises FieldError naming the first of `names` when it is missing."""
    value = get_int(config, names)
    first = names if isinstance(names, str) else names[0]
    if value is None:
        raise FieldError(f"config.{first}", fill_in("is missing"))
    if value <= 0:
        raise FieldError(f"config.{first}", fill_in("must be above zero, not {value}", value=value))
    return value


def get_bool(config: Config, name: str, *, default: bool) -> bool:
    value = config.get(name)
    return default if value is None else bool(value)


def squash(name: str) -> str:
    """Return a name with case and punctuation dropped, so that class names and model types compare."""
    return "".join(character for character in name.lower() if character.isalnum())

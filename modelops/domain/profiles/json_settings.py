"""The engine's settings that are JSON: which keys each of them may hold, and of what kind they are.

Names, types and bounds are those of the classes under vllm/config (0.32) that vLLM reads them into. A key
that names a file, code or another host is not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.wording import Translatable, fill_in
from modelops.domain.profiles.kinds import Kind, boolean, choice, number, text, whole, words
from modelops.domain.profiles.records import filled, mapping, object_or, record, sequence, variables
from modelops.domain.profiles.syntax import CACHE_DTYPE, QUANTIZATION, REPOSITORY, REVISION, SERVED_NAME

_ON = boolean()
_LONGEST = 20_000_000
_WORD = text(64, pattern=r"[A-Za-z][A-Za-z0-9_.-]*", like=fill_in("one word"), may_be_empty=False)
_RUNS_CODE: Translatable = "would run code that is not part of the engine"
_NAMES_PATH: Translatable = "names a path"
_BY_ENGINE: Translatable = "is worked out by the engine"

SPECULATIVE_METHODS = (
    "ngram",
    "ngram_gpu",
    "suffix",
    "draft_model",
    "eagle",
    "eagle3",
    "medusa",
    "mlp_speculator",
    "dflash",
    "dspark",
    "mtp",
    "deepseek_mtp",
    "dots3_note_mtp",
    "mimo_mtp",
    "mimo_v2_mtp",
    "glm4_moe_mtp",
    "glm4_moe_lite_mtp",
    "glm_ocr_mtp",
    "ernie_mtp",
    "nemotron_h_mtp",
    "exaone_moe_mtp",
    "exaone4_5_mtp",
    "qwen3_next_mtp",
    "qwen4_exp_mtp",
    "qwen3_5_mtp",
    "longcat_flash_mtp",
    "bailing_hybrid_v3_mtp",
    "minimax_m3_mtp",
    "bailing_hybrid_mtp",
    "kimi_k3_mtp",
    "pangu_ultra_moe_mtp",
    "step3p5_mtp",
    "hy_v3_mtp",
    "hy_v4_mtp",
    "gemma4_mtp",
    "inkling_mtp",
    "glm5_next_mtp",
)
"""`SpeculativeMethod` (vllm/config/speculative.py), but for those that load code or write files."""

_METHODS_WITHOUT_MODEL = frozenset({"ngram", "ngram_gpu", "suffix"})


def _check_speculation(found: Mapping[str, Any]) -> str:
    """`SpeculativeConfig.__post_init__` refuses the same."""
    method = found.get("method")
    if method is None and "model" not in found:
        return fill_in("needs method or model")
    if method in _METHODS_WITHOUT_MODEL and "model" in found:
        return fill_in("takes no model with the method {method}", method=method)
    least, most = found.get("prompt_lookup_min"), found.get("prompt_lookup_max")
    if least is not None and most is not None and least > most:
        return fill_in("must not have prompt_lookup_min above prompt_lookup_max")
    return ""


_NOT_SPECULATIVE: Mapping[str, Translatable] = {
    "code_revision": _RUNS_CODE,
    "draft_load_config": _NAMES_PATH,
    "tensor_parallel_size": "is written draft_tensor_parallel_size",
    "target_model_config": _BY_ENGINE,
    "target_parallel_config": _BY_ENGINE,
    "synthetic_acceptance_rates": "makes answers up, for benchmarks",
    "synthetic_acceptance_length": "makes answers up, for benchmarks",
}
SPECULATIVE_CONFIG = record(
    {
        "method": choice(*SPECULATIVE_METHODS),
        "model": filled(REPOSITORY),
        "revision": filled(REVISION),
        "num_speculative_tokens": whole(1, 64),
        "draft_tensor_parallel_size": whole(1, 64),
        "quantization": filled(QUANTIZATION),
        "max_model_len": whole(16, _LONGEST),
        "enforce_eager": _ON,
        "kv_cache_dtype": CACHE_DTYPE,
        "attention_backend": _WORD,
        "moe_backend": _WORD,
        "prompt_lookup_min": whole(1, 1024),
        "prompt_lookup_max": whole(1, 1024),
        "num_speculative_tokens_per_batch_size": sequence(sequence(whole(0, 100_000), 3), 64),
        "disable_by_batch_size": whole(1, 8192),
        "disable_padded_drafter_batch": _ON,
        "disable_logprobs": _ON,
        "parallel_drafting": _ON,
        "use_heterogeneous_vocab": _ON,
        "use_local_argmax_reduction": _ON,
        "suffix_decoding_max_tree_depth": whole(1, 1024),
        "suffix_decoding_max_cached_requests": whole(0, 10_000_000),
        "suffix_decoding_max_spec_factor": number(0, 100),
        "suffix_decoding_min_token_prob": number(0, 1),
        "rejection_sample_method": choice("standard", "block"),
        "draft_sample_method": choice("greedy", "probabilistic"),
        "enable_adaptive_verification": _ON,
    },
    refused=_NOT_SPECULATIVE,
    check=_check_speculation,
)

_ROPE_KEYS: dict[str, Kind] = {
    "rope_type": choice("default", "linear", "dynamic", "yarn", "longrope", "llama3", "mrope", "su"),
    "type": choice("default", "linear", "dynamic", "yarn", "longrope", "llama3", "mrope", "su"),
    "factor": number(1, 1024),
    "original_max_position_embeddings": whole(16, _LONGEST),
    "rope_theta": number(1, 1e12),
    "partial_rotary_factor": number(0, 1),
    "attention_factor": number(0, 100),
    "beta_fast": number(0, 1024),
    "beta_slow": number(0, 1024),
    "mscale": number(0, 100),
    "mscale_all_dim": number(0, 100),
    "truncate": _ON,
    "low_freq_factor": number(0, 1024),
    "high_freq_factor": number(0, 1024),
    "short_factor": sequence(number(0, 1e6), 1024),
    "long_factor": sequence(number(0, 1e6), 1024),
    "mrope_section": sequence(whole(0, 4096), 8),
    "mrope_interleaved": _ON,
}
_ROPE = record(_ROPE_KEYS)
_MODEL_KEYS: dict[str, Kind] = {
    "rope_scaling": _ROPE,
    "rope_parameters": record(
        {**_ROPE_KEYS, "full_attention": _ROPE, "sliding_attention": _ROPE, "chunked_attention": _ROPE}
    ),
    "rope_theta": number(1, 1e12),
    "max_position_embeddings": whole(16, _LONGEST),
    "sliding_window": whole(1, _LONGEST),
    "use_sliding_window": _ON,
    "max_window_layers": whole(0, 1024),
    "num_experts_per_tok": whole(1, 1024),
    "num_nextn_predict_layers": whole(0, 64),
    "tie_word_embeddings": _ON,
    "is_causal": _ON,
}
_NOT_OVERRIDDEN: Mapping[str, Translatable] = {
    "auto_map": "would load code from the model's repository",
    "_name_or_path": _NAMES_PATH,
    "quantization_config": "is what the checkpoint says of itself: see quantization",
}
HF_OVERRIDES = record(
    {
        **_MODEL_KEYS,
        "text_config": record(_MODEL_KEYS),
        "architectures": words(
            text(100, pattern=r"[A-Z][A-Za-z0-9_]*", like=fill_in("the name of an architecture")), 4
        ),
        "classifier_from_token": sequence(text(64, may_be_empty=False), 8),
        "is_original_qwen3_reranker": _ON,
        "method": choice("from_2_way_softmax", "no_post_processing"),
        "is_matryoshka": _ON,
        "matryoshka_dimensions": sequence(whole(1, 65_536), 64),
        "head_dtype": choice("model", "float32", "float16", "bfloat16"),
    },
    refused=_NOT_OVERRIDDEN,
)

_EXTENT = whole(1, 1_000_000)
_COUNT = whole(0, 999)
LIMIT_MM_PER_PROMPT = record(
    {
        "image": object_or(_COUNT, record({"count": _COUNT, "width": _EXTENT, "height": _EXTENT})),
        "video": object_or(
            _COUNT, record({"count": _COUNT, "num_frames": _EXTENT, "width": _EXTENT, "height": _EXTENT})
        ),
        "audio": object_or(_COUNT, record({"count": _COUNT, "length": whole(1, 10**9)})),
    }
)

OVERRIDE_GENERATION_CONFIG = record(
    {
        "temperature": number(0, 100),
        "top_p": number(0, 1),
        "top_k": whole(-1, 10_000_000),
        "min_p": number(0, 1),
        "repetition_penalty": number(0.01, 100),
        "presence_penalty": number(-2, 2),
        "frequency_penalty": number(-2, 2),
        "max_new_tokens": whole(1, _LONGEST),
    }
)
"""`get_diff_sampling_param` (vllm/config/model.py) reads these and no others."""

_NOT_FOR_TEMPLATES: Mapping[str, Translatable] = {
    "chat_template": "is the setting chat_template",
    "tokenize": _BY_ENGINE,
    "messages": "is what a request says",
    "tools": "is what a request says",
}
DEFAULT_CHAT_TEMPLATE_KWARGS = variables(
    8000,
    refused=_NOT_FOR_TEMPLATES,
)


def _check_structured_outputs(found: Mapping[str, Any]) -> str:
    """`StructuredOutputsConfig` (vllm/config/structured_outputs.py) refuses the same."""
    backend = found.get("backend", "auto")
    if found.get("disable_any_whitespace") and backend not in ("xgrammar", "guidance"):
        return fill_in("has disable_any_whitespace, which needs the backend xgrammar or guidance")
    if found.get("disable_additional_properties") and backend != "guidance":
        return fill_in("has disable_additional_properties, which needs the backend guidance")
    return ""


_NOT_STRUCTURED: Mapping[str, Translatable] = {
    "reasoning_parser": "is the setting reasoning_parser",
    "reasoning_parser_plugin": _RUNS_CODE,
}
STRUCTURED_OUTPUTS_CONFIG = record(
    {
        "backend": choice("auto", "xgrammar", "guidance", "outlines", "lm-format-enforcer"),
        "disable_any_whitespace": _ON,
        "disable_additional_properties": _ON,
        "disable_fallback": _ON,
        "enable_in_reasoning": _ON,
    },
    refused=_NOT_STRUCTURED,
    check=_check_structured_outputs,
)

_ADAPTERS_LABEL = "object of at most 64 adapters: a name for clients, and the repository it is in"
LORA_ADAPTERS = mapping(filled(SERVED_NAME), filled(REPOSITORY), 64, _ADAPTERS_LABEL)
MEDIA_DOMAINS = words(
    text(
        253,
        pattern=r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*",
        like=fill_in("the name of a host in lower-case letters, such as images.example.org"),
        may_be_empty=False,
    ),
    64,
)

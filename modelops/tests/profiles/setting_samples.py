"""A value for every setting and every further flag of a profile, so that a test can go over all of them."""

from __future__ import annotations

from typing import Any

from modelops.domain.profiles.extra_flags import EXTRA_FLAGS, SIMULATOR_PREFIX
from modelops.domain.profiles.kinds import Kind

JSON_SAMPLES: dict[str, Any] = {
    "limit_mm_per_prompt": {"image": 4, "video": {"count": 1, "num_frames": 16}, "audio": 0},
    "hf_overrides": {
        "rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 8192},
        "text_config": {"rope_theta": 1000000.0},
    },
    "speculative_config": {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4},
    "lora_adapters": {"sql": "maker/sql-adapter", "team/legal": "maker/legal-adapter"},
    "default_chat_template_kwargs": {"enable_thinking": False, "reasoning": {"effort": "low"}},
    "override_generation_config": {"temperature": 0.6, "top_k": 20},
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
    "allowed_media_domains": ["images.example.org", "example.com"],
    "compilation-config": {"mode": 3, "cudagraph_mode": "PIECEWISE", "cudagraph_capture_sizes": [1, 2, 4]},
    "pooler-config": {"pooling_type": "LAST", "use_activation": True},
    "mm-processor-kwargs": {"max_pixels": 1003520},
    "media-io-kwargs": {"video": {"num_frames": 32}},
}
NEW_SETTINGS = {
    **{name: value for name, value in JSON_SAMPLES.items() if "-" not in name},
    "enable_lora": True,
    "max_loras": 2,
    "max_lora_rank": 64,
}
"""What people set beside the sizes, as a profile has it."""


def accepts(kind: Kind, value: Any) -> bool:
    problems: list[Any] = []
    kind.read("", value, problems)
    return not problems


def find_sample(name: str, kind: Kind) -> Any:
    """A value that the kind accepts, for a switch the one that is written out."""
    if name in JSON_SAMPLES:
        return JSON_SAMPLES[name]
    candidates = [True, False, *kind.choices, 1, 0.5, "marlin", "FLASH_ATTN", "maker/model", [], 1 << 20]
    return next(value for value in candidates if accepts(kind, value))


def make_flag_samples() -> dict[str, Any]:
    """Every further flag that is not the simulator's alone, with a value."""
    return {
        extra.name: find_sample(extra.name, extra.kind)
        for extra in EXTRA_FLAGS
        if not extra.name.startswith(SIMULATOR_PREFIX)
    }

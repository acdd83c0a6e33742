"""Small builders of profiles for these tests."""

from __future__ import annotations

from typing import Any

from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.reading import read_hardware, read_profile
from modelops.domain.profiles.spec import ProfileSpec

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def make_values(**changes: Any) -> dict[str, Any]:
    """The least a profile needs, and facts about its model."""
    return {
        "slug": "example",
        "display_name": "Example",
        "repository": "somebody/example-8b",
        "image": "vllm/vllm-openai:v0.33.0",
        "config": CONFIG,
        **changes,
    }


def make_profile(**changes: Any) -> ProfileSpec:
    reading = read_profile(make_values(**changes))
    assert reading.spec is not None, reading.problems
    return reading.spec


def make_hardware(**changes: Any) -> HardwareSpec:
    values = {"slug": "cards", "display_name": "Cards", "gpu_name": "RTX 3090", "gpu_count": 2, **changes}
    reading = read_hardware(values)
    assert reading.spec is not None, reading.problems
    return reading.spec


def find_problems(**changes: Any) -> dict[str, str]:
    """The problems of a profile by field, several of one field in one text."""
    problems: dict[str, str] = {}
    for problem in read_profile(make_values(**changes)).problems:
        problems[problem.field] = "; ".join(filter(None, (problems.get(problem.field), problem.reason)))
    return problems

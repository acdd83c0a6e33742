"""Small builders for fit tests: configs, cards and questions."""

import json
from pathlib import Path
from typing import Any

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.specs import GIB, Gpu, ModelArchitecture

DATA = Path(__file__).parent / "data"


def load_data(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def make_config(**changes: Any) -> dict[str, Any]:
    """A 7B dense model with grouped-query attention."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
        "max_position_embeddings": 8192,
        "torch_dtype": "bfloat16",
        **changes,
    }


def make_model(quantization_flag: str | None = None, **changes: Any) -> ModelArchitecture:
    return parse_architecture(make_config(**changes), quantization_flag)


def make_moe_config(**changes: Any) -> dict[str, Any]:
    return make_config(
        architectures=["Qwen3MoeForCausalLM"],
        model_type="qwen3_moe",
        hidden_size=2048,
        num_hidden_layers=48,
        num_key_value_heads=4,
        head_dim=128,
        intermediate_size=6144,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        max_position_embeddings=40960,
        **changes,
    )


def make_latent_config(**changes: Any) -> dict[str, Any]:
    return make_config(
        architectures=["DeepseekV2ForCausalLM"],
        model_type="deepseek_v2",
        hidden_size=2048,
        num_hidden_layers=27,
        num_attention_heads=16,
        num_key_value_heads=16,
        intermediate_size=10944,
        kv_lora_rank=512,
        qk_rope_head_dim=64,
        qk_nope_head_dim=128,
        v_head_dim=128,
        n_routed_experts=64,
        n_shared_experts=2,
        num_experts_per_tok=6,
        moe_intermediate_size=1408,
        first_k_dense_replace=1,
        **changes,
    )


def make_hybrid_config(**changes: Any) -> dict[str, Any]:
    return make_config(
        architectures=["Qwen3NextForCausalLM"],
        model_type="qwen3_next",
        hidden_size=2048,
        num_hidden_layers=48,
        num_attention_heads=16,
        num_key_value_heads=2,
        head_dim=256,
        intermediate_size=5120,
        num_experts=512,
        num_experts_per_tok=10,
        moe_intermediate_size=512,
        shared_expert_intermediate_size=512,
        linear_num_key_heads=16,
        linear_num_value_heads=32,
        linear_key_head_dim=128,
        linear_value_head_dim=128,
        full_attention_interval=4,
        **changes,
    )


def make_sliding_config(**changes: Any) -> dict[str, Any]:
    return make_config(
        architectures=["Gemma3ForCausalLM"],
        model_type="gemma3_text",
        num_hidden_layers=30,
        head_dim=128,
        sliding_window=1024,
        max_position_embeddings=131072,
        tie_word_embeddings=True,
        **changes,
    )


def make_gpu(name: str = "RTX 3090", total_gib: float = 23.6, free_gib: float | None = None) -> Gpu:
    free = None if free_gib is None else int(free_gib * GIB)
    return Gpu(name, int(total_gib * GIB), free)


def make_question(**changes: Any) -> dict[str, Any]:
    return {
        "id": "q",
        "config": make_config(),
        "gpus": [{"name": "RTX 3090", "total_mib": 24166}],
        "vllm_version": "0.33.0",
        **changes,
    }


def make_vision_config(**changes: Any) -> dict[str, Any]:
    """A dense model that sees, with the tower of a Qwen2.5-VL."""
    tower = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "patch_size": 14}
    return make_config(
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        model_type="qwen2_5_vl",
        vision_config={**tower, "spatial_merge_size": 2, "hidden_act": "silu"},
        **changes,
    )

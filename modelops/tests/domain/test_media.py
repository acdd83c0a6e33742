"""What a multimodal model's tower is profiled with, by family and release."""

from typing import Any

import pytest

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.encoder_budget import EncoderProfile, profile_encoder
from modelops.domain.fit.engine_defaults import find_traits, resolve_settings
from modelops.domain.fit.media import list_unread
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import GIB, EngineSettings
from modelops.tests.domain.fit_examples import make_config, make_gpu, make_moe_config, make_question

QWEN3_TOWER = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "deepstack_visual_indexes": [8, 16, 24],
}
SIGLIP_TOWER = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "patch_size": 14,
    "image_size": 896,
}
QWEN2_TOWER = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "hidden_act": "silu",
}
PIXTRAL_TOWER = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "patch_size": 14,
    "image_size": 1540,
}
LLAMA4_TOWER = {
    "num_hidden_layers": 34,
    "hidden_size": 1408,
    "intermediate_size": 5632,
    "patch_size": 14,
    "image_size": 336,
    "pixel_shuffle_ratio": 0.5,
}
INTERNVL_TOWER = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "patch_size": 14,
    "image_size": 448,
}
CLIP_TOWER = {**INTERNVL_TOWER, "image_size": 336}


def make_seeing(architecture: str, tower: dict[str, Any], **changes: Any) -> dict[str, Any]:
    text = make_config(**{"architectures": None, "model_type": "llama", **changes.pop("text", {})})
    return {
        "architectures": [architecture],
        "model_type": changes.pop("model_type", "llava"),
        "text_config": text,
        "vision_config": tower,
        **changes,
    }


QWEN3 = {
    **make_seeing("Qwen3VLMoeForConditionalGeneration", QWEN3_TOWER, model_type="qwen3_vl_moe"),
    "text_config": make_moe_config(vocab_size=151936),
}
QWEN25 = make_seeing(
    "Qwen2_5_VLForConditionalGeneration",
    QWEN2_TOWER,
    model_type="qwen2_5_vl",
    text={"max_position_embeddings": 131072},
)
GEMMA3 = make_seeing(
    "Gemma3ForConditionalGeneration",
    SIGLIP_TOWER,
    model_type="gemma3",
    mm_tokens_per_image=256,
    text={"model_type": "gemma3_text", "sliding_window": 1024, "max_position_embeddings": 131072},
)
GEMMA4 = make_seeing(
    "Gemma4ForConditionalGeneration",
    {**SIGLIP_TOWER, "patch_size": 16, "image_size": None},
    model_type="gemma4",
    text={"model_type": "gemma4_text", "sliding_window": 1024, "max_position_embeddings": 131072},
)
MISTRAL3 = make_seeing(
    "Mistral3ForConditionalGeneration", PIXTRAL_TOWER, model_type="mistral3", spatial_merge_size=2
)
INTERNVL = {
    **make_seeing("InternVLChatModel", INTERNVL_TOWER, model_type="internvl_chat", max_dynamic_patch=12),
    "downsample_ratio": 0.5,
    "use_thumbnail": True,
    "llm_config": make_config(model_type="qwen2", max_position_embeddings=32768),
    "text_config": None,
}
LLAMA4 = make_seeing(
    "Llama4ForConditionalGeneration",
    LLAMA4_TOWER,
    model_type="llama4",
    text={"model_type": "llama4_text", "max_position_embeddings": 131072},
)
LLAVA_NEXT = make_seeing("LlavaNextForConditionalGeneration", CLIP_TOWER, model_type="llava_next")


def profile(config: dict[str, Any], version: str, **settings: Any) -> EncoderProfile | None:
    model = parse_architecture(config)
    asked = EngineSettings(vllm_version=version, **settings)
    gpu = make_gpu()
    return profile_encoder(model, resolve_settings(asked, model, gpu, find_traits(asked, gpu)))


@pytest.mark.parametrize(
    ("config", "version", "settings", "expected"),
    [
        (QWEN3, "0.11.0", {}, ("video", 153600, 1, 153600)),
        (QWEN3, "0.12.0", {}, ("video", 153600, 1, 153600)),
        (QWEN3, "0.13.0", {}, ("image", 16384, 1, 16384)),
        (QWEN3, "0.33.0", {"media_limits": (("image", 0),)}, ("video", 12288, 1, 12288)),
        (QWEN3, "0.33.0", {"media_max_pixels": 1_048_576}, ("image", 2048, 2, 2048)),
        (QWEN25, "0.33.0", {"max_model_len": 131072}, ("video", 114688, 1, 114688)),
        (QWEN25, "0.33.0", {"max_model_len": 32768}, ("video", 32768, 1, 32768)),
        (QWEN25, "0.10.2", {"max_model_len": 131072}, ("video", 131072, 1, 16384)),
        (QWEN25, "0.33.0", {"media_limits": (("video", 0),)}, ("image", 16384, 1, 16384)),
        (GEMMA3, "0.33.0", {"max_num_batched_tokens": 8192}, ("image", 8192, 32, 8192)),
        (GEMMA3, "0.11.0", {"max_num_batched_tokens": 2048}, ("image", 2048, 8, 16384)),
        (GEMMA3, "0.9.2", {"max_num_batched_tokens": 2100}, ("image", 2100, 9, 2304)),
        (GEMMA4, "0.33.0", {}, ("video", 2496, 1, 2240)),
        (GEMMA4, "0.21.0", {"max_num_batched_tokens": 4096}, ("video", 4096, 1, 2240)),
        (MISTRAL3, "0.33.0", {}, ("image", 3025, 1, 3025)),
        (INTERNVL, "0.33.0", {"max_model_len": 16384}, ("video", 13056, 1, 13056)),
        (INTERNVL, "0.33.0", {"media_limits": (("video", 0),)}, ("image", 3328, 1, 3328)),
        (LLAMA4, "0.33.0", {"max_num_batched_tokens": 8192}, ("image", 8192, 3, 7344)),
        (LLAVA_NEXT, "0.10.2", {"max_num_batched_tokens": 16384}, ("image", 16384, 5, 14640)),
    ],
)
def test_the_largest_item_of_the_release_fills_the_encoders_budget(
    config: dict[str, Any], version: str, settings: dict[str, Any], expected: tuple[str, int, int, int]
) -> None:
    found = profile(config, version, **settings)

    assert found is not None
    assert (found.modality, found.budget_tokens, found.items, found.kept_rows) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"media_limits": (("image", 0), ("video", 0))},
        {"skip_mm_profiling": True},
        {"is_text_only": True},
    ],
)
def test_without_media_or_their_profile_nothing_goes_through_the_tower(settings: dict[str, Any]) -> None:
    assert profile(QWEN3, "0.33.0", **settings) is None


def count_kept(version: str) -> float:
    """GiB of the outputs, all of whose levels are of one width."""
    flat = {**QWEN3, "vision_config": {**QWEN3_TOWER, "deepstack_visual_indexes": []}}
    asked = {"vllm_version": version, "gpus": [{"name": "H200", "total_mib": 143000}], "max_model_len": 8192}
    deep, plain = (answer_question(make_question(config=config, **asked)) for config in (QWEN3, flat))
    kept: float = (deep["activation_bytes"] - plain["activation_bytes"]) * 4 / 3 / GIB
    return kept


@pytest.mark.parametrize(("version", "kept_gib"), [("0.11.2", 2.34), ("0.12.0", 2.34), ("0.13.0", 0.25)])
def test_all_levels_of_the_outputs_stay_alive(version: str, kept_gib: float) -> None:
    assert count_kept(version) == pytest.approx(kept_gib, abs=0.005)


def test_a_tower_is_split_over_the_cards_or_its_batch_is() -> None:
    asked = {"tensor_parallel_size": 2, "max_model_len": 8192, "max_num_batched_tokens": 2048}
    gpus = [{"name": "H200", "total_mib": 143000}] * 2
    question = make_question(config=QWEN3, gpus=gpus, **asked)

    whole = answer_question({**question, "mm_encoder_tp_mode": "data"})
    split = answer_question(question)

    # One image: 65,536 patches, whose inner width of 2 × 4304 is halved.
    assert whole["activation_bytes"] - split["activation_bytes"] == 65536 * 4304 * 2


def test_a_family_that_is_not_known_is_named_and_widens_the_band() -> None:
    odd = {**QWEN3, "architectures": ["OddForConditionalGeneration"], "model_type": "odd_vl"}
    question = make_question(gpus=[{"name": "H200", "total_mib": 143000}], max_model_len=4096)

    known, unknown = (
        answer_question({**question, "config": QWEN3}),
        answer_question({**question, "config": odd}),
    )

    assert any("is not known: up to 1.50 GiB more" in note for note in unknown["notes"])
    assert not any("is not known: up to" in note for note in known["notes"])
    assert unknown["band"]["kv_cache_low_bytes"] < known["band"]["kv_cache_low_bytes"]


@pytest.mark.parametrize(
    ("config", "family"),
    [
        (make_config(architectures=["Phi4MMForCausalLM"], model_type="phi4mm"), "phi4mm"),
        (make_config(architectures=["MolmoForCausalLM"], model_type="molmo"), "molmo"),
        (
            {
                "architectures": ["Qwen2AudioForConditionalGeneration"],
                "model_type": "qwen2_audio",
                "text_config": make_config(model_type="qwen2"),
                "audio_config": {"d_model": 1280},
            },
            "qwen2audio",
        ),
    ],
)
def test_encoders_without_a_vision_config_are_in_doubt_too(config: dict[str, Any], family: str) -> None:
    answer = answer_question(
        make_question(config=config, weights_bytes=12 * GIB, max_model_len=4096, gpus=[{"name": "H200"}])
    )

    assert any(f"the encoder of '{family}' with is not known" in note for note in answer["notes"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit_mm_per_prompt", ["image"]),
        ("limit_mm_per_prompt", {"image": "two"}),
        ("mm_processor_kwargs", {"max_pixels": "many"}),
    ],
)
def test_a_limit_that_is_no_number_is_named(field: str, value: Any) -> None:
    answer = answer_question(make_question(**{field: value}))

    assert answer["error"]["field"] == field


def test_sizes_of_dummy_items_are_not_read_and_so_named() -> None:
    limits = {"image": {"count": 2, "width": 512}, "video": 0}

    assert list_unread(limits, {"max_pixels": 1}) == ("limit_mm_per_prompt",)
    assert list_unread({"image": {"count": 2}}, {"num_crops": 4}) == ("mm-processor-kwargs",)

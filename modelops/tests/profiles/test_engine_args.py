from __future__ import annotations

import json
from dataclasses import replace

import pytest

from modelops.domain.fit.specs import GIB, MIB, Adapters
from modelops.domain.profiles.engine_args import (
    build_environment,
    build_serve_arguments,
    find_image_version,
    to_engine_settings,
    to_gpus,
)
from modelops.simulator.flags import parse_command_line
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.profiles.profile_examples import make_hardware, make_profile
from modelops.tests.profiles.setting_samples import NEW_SETTINGS, make_flag_samples


def test_the_command_line_has_every_flag_that_is_set_in_a_fixed_order() -> None:
    spec = make_profile(
        served_model_name="Example-8B",
        aliases=["gpt-4o"],
        revision="v1",
        dtype="bfloat16",
        kv_cache_dtype="fp8",
        max_model_len=8192,
        gpu_memory_utilization=0.9,
        tensor_parallel_size=2,
        max_num_seqs=64,
        enforce_eager=True,
        tool_call_parser="hermes",
        extra_flags={"seed": 0, "enable-prefix-caching": False, "disable-custom-all-reduce": True},
    )

    arguments = build_serve_arguments(spec)

    assert " ".join(arguments) == (
        "serve somebody/example-8b --served-model-name Example-8B example gpt-4o --revision v1 "
        "--dtype bfloat16 --kv-cache-dtype fp8 --max-model-len 8192 --gpu-memory-utilization 0.9 "
        "--tensor-parallel-size 2 --pipeline-parallel-size 1 --max-num-seqs 64 --enforce-eager "
        "--enable-auto-tool-choice --tool-call-parser hermes --shutdown-timeout 30 "
        "--disable-custom-all-reduce --no-enable-prefix-caching --seed 0"
    )


def test_the_order_does_not_depend_on_how_the_flags_were_written() -> None:
    flags = {"seed": 1, "block-size": 16, "max-logprobs": 5}

    backwards = make_profile(extra_flags=dict(reversed(flags.items())))

    assert build_serve_arguments(backwards) == build_serve_arguments(make_profile(extra_flags=flags))


def test_auto_becomes_what_it_was_resolved_to() -> None:
    spec = make_profile()

    plain = build_serve_arguments(spec)
    resolved = build_serve_arguments(spec, tensor_parallel_size=2, max_model_len=4096)

    assert plain[plain.index("--max-model-len") + 1] == "auto"
    assert "--tensor-parallel-size" not in plain
    assert resolved[resolved.index("--max-model-len") + 1] == "4096"
    assert resolved[resolved.index("--tensor-parallel-size") + 1] == "2"


def test_a_template_is_one_argument_whatever_it_contains() -> None:
    template = "{{ '--host 0.0.0.0; rm -rf /' }}\n{{ messages }}"

    arguments = build_serve_arguments(make_profile(chat_template=template))

    assert arguments[arguments.index("--chat-template") + 1] == template


def test_a_named_template_is_given_as_its_text() -> None:
    arguments = build_serve_arguments(make_profile(chat_template="chatml"))

    assert "<|im_start|>" in arguments[arguments.index("--chat-template") + 1]


def test_settings_of_several_words_or_of_json_stand_behind_one_flag_each() -> None:
    arguments = build_serve_arguments(make_profile(**NEW_SETTINGS))

    lora = arguments.index("--lora-modules")
    assert arguments[lora + 1 : lora + 3] == ["sql=maker/sql-adapter", "team/legal=maker/legal-adapter"]
    hosts = arguments.index("--allowed-media-domains")
    assert arguments[hosts + 1 : hosts + 3] == ["images.example.org", "example.com"]
    config = arguments[arguments.index("--speculative-config") + 1]
    assert json.loads(config) == NEW_SETTINGS["speculative_config"]


@pytest.mark.parametrize("name", ["", *make_flag_samples()])
def test_simulator_accepts_every_flag_that_a_profile_may_set(name: str) -> None:
    changes = {"extra_flags": {name: make_flag_samples()[name]}} if name else NEW_SETTINGS

    settings = parse_command_line(build_serve_arguments(make_profile(**changes), max_model_len=4096))

    assert settings.model == "somebody/example-8b"


def test_redirects_of_images_are_followed_only_where_the_profile_says_so() -> None:
    name = "VLLM_MEDIA_URL_ALLOW_REDIRECTS"

    assert build_environment(make_profile())[name] == "0"
    assert build_environment(make_profile(environment={name: "1"}))[name] == "1"


def test_the_simulator_understands_a_profile_of_its_own() -> None:
    spec = make_profile(
        engine="simulator",
        runtime="process",
        repository="",
        image="",
        config={},
        max_model_len=8192,
        aliases=["other"],
        extra_flags={"sim-tokens-per-second": 20, "sim-fault": ["no_disk"]},
    )

    settings = parse_command_line(build_serve_arguments(spec))

    assert settings.model == "example"
    assert settings.served_model_names == ("example", "other")
    assert settings.max_model_len == 8192
    assert settings.shutdown_timeout_s == 30
    assert settings.simulation.tokens_per_s == 20.0
    assert [str(fault) for fault in settings.simulation.faults] == ["no_disk"]


def test_sleep_mode_brings_the_variable_it_needs() -> None:
    spec = make_profile(enable_sleep_mode=True, environment={"NCCL_P2P_DISABLE": "1", "HF_HUB_OFFLINE": "1"})

    environment = build_environment(spec)

    assert list(environment.items()) == [
        ("HF_HUB_OFFLINE", "1"),
        ("NCCL_P2P_DISABLE", "1"),
        ("VLLM_MEDIA_URL_ALLOW_REDIRECTS", "0"),
        ("VLLM_SERVER_DEV_MODE", "1"),
    ]
    assert "VLLM_SERVER_DEV_MODE" not in build_environment(make_profile())


def test_the_fit_check_is_asked_about_the_same_settings() -> None:
    spec = make_profile(
        max_num_seqs=32,
        kv_cache_dtype="fp8",
        extra_flags={"block-size": 32, "enable-chunked-prefill": False, "runner": "pooling"},
    )

    settings = to_engine_settings(spec, tensor_parallel_size=4)

    assert settings.tensor_parallel_size == 4
    assert settings.is_max_model_len_auto
    assert settings.max_num_seqs == 32
    assert settings.kv_cache_dtype == "fp8"
    assert settings.block_size == 32
    assert settings.enable_chunked_prefill is False
    assert settings.is_pooling is True
    assert settings.vllm_version == "0.33.0"


def test_the_fit_check_is_told_of_drafts_and_adapters() -> None:
    draft = make_config(num_hidden_layers=1)
    speculative = {"method": "draft_model", "model": "maker/draft", "num_speculative_tokens": 3}
    spec = make_profile(
        speculative_config=speculative,
        draft_config=draft,
        enable_lora=True,
        max_lora_rank=32,
        extra_flags={"cpu-offload-gb": 1.5, "fully-sharded-loras": True},
    )

    settings = to_engine_settings(spec)
    strange = to_engine_settings(replace(spec, draft_config={"model_type": "novel", "rwkv_version": 7}))

    assert settings.speculation is not None and settings.speculation.draft is not None
    assert (settings.speculation.tokens, len(settings.speculation.draft.layers)) == (3, 1)
    assert settings.adapters == Adapters(slots=1, rank=32, is_fully_sharded=True)
    assert settings.cpu_offload_bytes == 1.5 * GIB
    assert strange.speculation is not None and strange.speculation.draft is None


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.11.0", "0.11.0"),
        ("vllm/vllm-openai:v0.11.1rc2", "0.11.1"),
        ("registry:5000/vllm:v0.33.0-cu128@sha256:" + "0" * 64, "0.33.0"),
        ("rocm/vllm:rocm6.4.1_vllm_0.10.1_20250909", "0.10.1"),
        ("registry:5000/vllm@sha256:" + "0" * 64, None),
        ("vllm/vllm-openai:latest", None),
        ("vllm/vllm-openai:cu12.8-nightly", None),
        ("nvcr.io/nvidia/vllm:25.09-py3", None),
        ("other/vllm-openai:v0.3.9", None),
        ("", None),
    ],
)
def test_the_version_is_the_one_in_the_images_tag(image: str, version: str | None) -> None:
    assert find_image_version(image) == version


def test_a_program_on_this_machine_has_no_version_by_an_image_that_it_does_not_use() -> None:
    contained = make_profile(image="vllm/vllm-openai:v0.11.0")
    started = make_profile(image="vllm/vllm-openai:v0.11.0", runtime="process")

    assert to_engine_settings(contained).vllm_version == "0.11.0"
    assert to_engine_settings(started).vllm_version is None


def test_a_hardware_profile_becomes_cards() -> None:
    known = to_gpus(make_hardware(gpu_name="NVIDIA GeForce RTX 3090"))
    described = to_gpus(
        make_hardware(gpu_name="X1", gpu_memory_mib=1024, compute_capability="8.6", gpu_count=1)
    )

    assert [gpu.total_bytes for gpu in known] == [24576 * MIB] * 2
    assert described[0].total_bytes == 1024 * MIB
    assert described[0].compute_capability == (8, 6)

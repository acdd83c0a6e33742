"""Profiles from pasted command lines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tests.budgets import examples
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.command_line import MOST_CHARACTERS, read_command
from modelops.domain.profiles.imports.imported_profile import ImportedProfile, import_call
from modelops.domain.profiles.proposal import DEFAULT_IMAGE
from modelops.domain.profiles.reading import read_profile

DOCKER = (
    "sudo docker run --runtime nvidia --gpus '\"device=0,1\"' -v ~/.cache:/root/.cache "
    '--env "HUGGING_FACE_HUB_TOKEN=hf_secret" -e NCCL_P2P_DISABLE=1 -p 8000:8000 --ipc=host -it --rm '
    "vllm/vllm-openai:v0.9.1 --model maker/model --dtype half"
)

QUIET = {"enable-log-requests": False, "disable-log-stats": True}
YARN = {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}
NGRAM = {"method": "ngram", "num_speculative_tokens": 4}


def read(text: str) -> ImportedProfile:
    return import_call(read_command(text))


def left_out(imported: ImportedProfile) -> dict[str, str]:
    return {each.what: each.reason for each in imported.left_out}


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve maker/model --tensor-parallel-size 2",
        "vllm serve maker/model --tensor-parallel-size=2",
        "vllm serve maker/model --tensor_parallel_size 2",
        "vllm serve maker/model -tp 2",
        "vllm serve maker/model -tp=2",
        "vllm serve --tensor-parallel-size 2 maker/model",
        "vllm serve --model maker/model -tp 2",
        "/opt/venv/bin/vllm serve 'maker/model' -tp \"2\"",
        "$ vllm serve maker/model \\\n    -tp 2 \\  \n",
        "vllm serve maker/model \\\r\n    -tp 2",
        "# our model\nvllm serve maker/model -tp 2  # both cards",
        "python -m vllm.entrypoints.openai.api_server --model maker/model -tp 2",
        "python3.11 -m vllm.entrypoints.cli.main serve maker/model -tp 2",
        "bash -c 'vllm serve maker/model -tp 2'",
        "docker run vllm/vllm-openai:v0.33.0 --model maker/model -tp 2",
        "docker run --entrypoint vllm vllm/vllm-openai:v0.33.0 serve maker/model -tp 2",
        "podman run -d mirror/llm:1 vllm serve maker/model -tp 2",
    ],
)
def test_ways_to_start_the_same_engine_make_the_same_profile(text: str) -> None:
    values = read(text).values

    assert (values["repository"], values["tensor_parallel_size"]) == ("maker/model", 2)
    assert read_profile({**values, "is_enabled": False}).problems == ()


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        ("--max-model-len 8192", "max_model_len", 8192),
        ("--max-model-len 32k", "max_model_len", 32_000),
        ("--max-model-len 32K", "max_model_len", 32_768),
        ("--max-model-len auto", "max_model_len", None),
        ("--max-model-len -1", "max_model_len", None),
        ("--gpu-memory-utilization 0.9", "gpu_memory_utilization", 0.9),
        ("--gpu-memory-utilization 1", "gpu_memory_utilization", 1.0),
        ("--dtype half", "dtype", "float16"),
        ("-q awq_marlin", "quantization", "awq_marlin"),
        ("--enforce-eager", "enforce_eager", True),
        ("--no-enforce-eager", "enforce_eager", False),
        ("--enable-prefix-caching", "extra_flags", {"enable-prefix-caching": True}),
        ("--no-enable-chunked-prefill", "extra_flags", {"enable-chunked-prefill": False}),
        ("--enable-chunked-prefill false", "extra_flags", {"enable-chunked-prefill": False}),
        ("--kv-cache-memory-bytes 2G", "extra_flags", {"kv-cache-memory-bytes": 1 << 31}),
        ("--served-model-name one two three", "aliases", ["two", "three"]),
        ("--tool-call-parser hermes", "tool_call_parser", "hermes"),
        ("--revision v1", "revision", "v1"),
        ("-O3", "extra_flags", {"optimization-level": 3}),
        ("-cc.cudagraph_mode=FULL", "extra_flags", {"compilation-config": {"cudagraph_mode": "FULL"}}),
        ("-O '{\"level\": 3}'", "extra_flags", {"compilation-config": {"level": 3}}),
        ("-q auto_round", "quantization", "auto_round"),
        ("--task embed", "extra_flags", {"runner": "pooling", "convert": "embed"}),
        ("--disable-log-requests --disable-log-stats", "extra_flags", QUIET),
        ('--rope-scaling \'{"rope_type": "yarn", "factor": 2}\'', "hf_overrides", YARN),
        (
            "--hf-overrides.rope_scaling.rope_type yarn --hf-overrides.rope_scaling.factor 2",
            "hf_overrides",
            YARN,
        ),
        ("--guided-decoding-backend xgrammar", "structured_outputs_config", {"backend": "xgrammar"}),
        ("--limit-mm-per-prompt image=4,video=0", "limit_mm_per_prompt", {"image": 4, "video": 0}),
        ("--limit-mm-per-prompt.image 4", "limit_mm_per_prompt", {"image": 4}),
        ("--spec-method ngram --spec-tokens 4", "speculative_config", NGRAM),
        ("--speculative-model '[ngram]' --num-speculative-tokens 4", "speculative_config", NGRAM),
        (
            '--speculative_config \'{"method": "ngram"}\' -sc.num_speculative_tokens=4',
            "speculative_config",
            NGRAM,
        ),
        ("--enable-lora --lora-modules a=x/y b=x/z", "lora_adapters", {"a": "x/y", "b": "x/z"}),
        ('--lora-modules \'{"name": "a", "path": "x/y"}\'', "enable_lora", True),
        ("--allowed-media-domains a.example b.example", "allowed_media_domains", ["a.example", "b.example"]),
    ],
)
def test_flags_become_settings(flags: str, name: str, value: Any) -> None:
    imported = read(f"vllm serve maker/model {flags}")

    assert imported.values[name] == value
    assert imported.left_out == ()


def test_what_the_line_leaves_to_the_engine_is_left_to_it() -> None:
    values = read("vllm serve Maker/Model_7B").values

    assert values == {
        "slug": "model-7b",
        "display_name": "Model_7B",
        "is_enabled": False,
        "tensor_parallel_size": 1,
        "repository": "Maker/Model_7B",
        "image": DEFAULT_IMAGE,
    }


@pytest.mark.parametrize(
    ("flags", "what", "reason"),
    [
        ("--port 8000", "--port 8000", "set by the gateway"),
        ("--trust-remote-code", "--trust-remote-code", "TRUST_REMOTE_CODE_REPOSITORIES"),
        ("--enable-auto-tool-choice", "--enable-auto-tool-choice", "follows from tool_call_parser"),
        ("--chat-template ./chat.jinja", "--chat-template ./chat.jinja", "never a path"),
        ("""--hf-overrides '{"a": "b c"}'""", "--hf-overrides.a", "not one of the keys that it may hold"),
        ("-O4", "--optimization-level 4", "must be 0 to 3"),
        ("--lora-modules sql=/adapters/sql", "--lora-modules.sql", "neither a path nor a URL"),
        (
            """--kv-transfer-config '{"kv_role": "kv_both"}'""",
            '--kv-transfer-config {"kv_role": "kv_both"}',
            "hosts",
        ),
        ("--swap-space 4", "--swap-space 4", "does nothing in newer versions"),
        ("--enable-log-requests", "--enable-log-requests", "would hold what users say"),
        ("-dp 2", "--data-parallel-size 2", "more GPUs than the fit check counts"),
        ("--dtype int3", "--dtype int3", "must be one of"),
        ("--max-model-len many", "--max-model-len many", "must be a whole number or auto"),
        ("--max-num-seqs 99999999", "--max-num-seqs 99999999", "must be 1 to 8192"),
        ("--max-model-len $LENGTH", "--max-model-len", "uses LENGTH"),
        ("--sim-fault x", "--sim-fault x", "simulated engine"),
        ("--served-model-name good /models/bad", "--served-model-name /models/bad", "must be a model name"),
        ("stray", "stray", "no flag takes it"),
        ("> out.log", "> out.log", "keeps the engine's log"),
    ],
)
def test_what_is_not_taken_is_said_with_its_reason(flags: str, what: str, reason: str) -> None:
    found = left_out(read(f"vllm serve maker/model {flags}"))

    assert list(found) == [what]
    assert reason in found[what]


def test_variables_in_front_become_the_environment_where_a_profile_may_set_them() -> None:
    text = (
        "export VLLM_USE_FLASHINFER_SAMPLER=1\nsource venv/bin/activate\n"
        "NCCL_P2P_DISABLE=1 CUDA_VISIBLE_DEVICES=0,1 FOO=bar env OMP_NUM_THREADS=4 "
        "nohup vllm serve maker/model &"
    )

    imported = read(text)

    assert imported.values["environment"] == {
        "NCCL_P2P_DISABLE": "1",
        "OMP_NUM_THREADS": "4",
        "VLLM_USE_FLASHINFER_SAMPLER": "1",
    }
    assert imported.values["gpu_selection"] == ["0", "1"]
    assert list(left_out(imported)) == ["source", "nohup", "FOO"]


def test_image_variables_and_cards_of_a_container_are_taken_and_the_rest_is_named() -> None:
    imported = read(DOCKER)

    assert imported.values["image"] == "vllm/vllm-openai:v0.9.1"
    assert imported.values["gpu_selection"] == ["0", "1"]
    assert imported.values["environment"] == {"NCCL_P2P_DISABLE": "1"}
    assert imported.values["dtype"] == "float16"
    assert {"--ipc host", "--publish 8000:8000", "sudo", "HUGGING_FACE_HUB_TOKEN"} <= set(left_out(imported))


def test_image_without_a_tag_gives_way_to_ours_and_that_is_said() -> None:
    imported = read("docker run --gpus all vllm/vllm-openai --model maker/model")

    assert imported.values["image"] == DEFAULT_IMAGE
    assert f"{DEFAULT_IMAGE} is taken instead" in left_out(imported)["vllm/vllm-openai"]


@pytest.mark.parametrize(
    "text",
    [
        DOCKER,
        "HF_TOKEN=hf_secret vllm serve maker/model --api-key hf_secret --hf-token=hf_secret",
        "huggingface-cli login --token hf_secret && vllm serve maker/model",
    ],
)
def test_secrets_are_neither_taken_nor_shown(text: str) -> None:
    imported = read(text)

    assert "hf_secret" not in repr(imported)
    assert imported.left_out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no start of vLLM"),
        ("ollama run llama3", "holds no start of vLLM"),
        ("vllm serve", "is not named"),
        ("vllm serve --port 8000", "is not named"),
        ("vllm serve /models/llama", "neither a path nor a URL"),
        ("vllm serve ./llama", "neither a path nor a URL"),
        ("vllm serve $MODEL", "uses MODEL"),
        ("vllm serve 'maker/model", "quotation mark"),
        ("vllm serve a/b\nvllm serve c/d", "starts 2 engines"),
        ("docker run nginx", "does not look like an image of vLLM"),
        ("docker run --rm", "names no image"),
        ("x" * (MOST_CHARACTERS + 1), "is longer than"),
    ],
)
def test_text_that_makes_no_profile_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(FieldError, match=reason):
        read(text)


WORDS = st.sampled_from(
    [
        *(
            "vllm",
            "serve",
            "maker/model",
            "docker",
            "run",
            "-e",
            "-it",
            "--gpus",
            "bash",
            "-c",
            "python",
            "-m",
        ),
        *(
            "vllm.entrypoints.openai.api_server",
            "--model",
            "-tp",
            "--dtype",
            "=",
            "&&",
            "\n",
            "#",
            ">",
            "A=1",
        ),
        *("'", '"', "\\", "$X", "${", "{", "--", "-", "--no-", "--served-model-name", "[1", "1e999", "-1"),
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
@settings(max_examples=examples(100), deadline=None)
def test_whatever_is_pasted_is_read_or_refused_in_words(text: str) -> None:
    try:
        imported = read(text)
    except FieldError as exc:
        assert exc.reason
    else:
        assert imported.repository

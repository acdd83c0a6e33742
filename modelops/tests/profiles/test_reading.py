from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.profiles.environment import REFUSED_VARIABLES, VARIABLES
from modelops.domain.profiles.extra_flags import EXTRA_FLAGS, REFUSED_FLAGS
from modelops.domain.profiles.reading import read_hardware, read_profile
from modelops.domain.profiles.setting import list_settings
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.tests.profiles.profile_examples import CONFIG, find_problems, make_profile, make_values


def test_a_small_profile_takes_defaults_for_the_rest() -> None:
    spec = make_profile()

    assert spec.runtime == "docker"
    assert spec.tensor_parallel_size is None
    assert spec.served_names == ("example",)
    assert read_profile(to_values(spec)).spec == spec


def test_every_problem_is_reported_not_only_the_first() -> None:
    problems = find_problems(
        slug="Has Spaces",
        repository="/etc/passwd",
        dtype="int3",
        max_num_seqs="many",
        gpu_memory_utilization=1.5,
        environment={"LD_PRELOAD": "x", "NCCL_P2P_DISABLE": 1},
        extra_flags={"trust-remote-code": True},
        colour="red",
    )

    assert set(problems) == {
        "slug",
        "repository",
        "dtype",
        "max_num_seqs",
        "gpu_memory_utilization",
        "environment.LD_PRELOAD",
        "environment.NCCL_P2P_DISABLE",
        "extra_flags.trust-remote-code",
        "colour",
    }


def test_missing_fields_are_named() -> None:
    problems = {problem.field: problem.reason for problem in read_profile({}).problems}

    assert problems == {"slug": "is missing", "display_name": "is missing"}


@pytest.mark.parametrize("name", [each.name for each in list_settings(ProfileSpec)])
@pytest.mark.parametrize("value", [object(), 10**30, float("nan"), float("inf"), [[]], {"a": {1: 2}}, "\x00"])
def test_no_field_lets_nonsense_through_or_breaks_on_it(name: str, value: Any) -> None:
    reading = read_profile(make_values(**{name: value}))

    assert name in {problem.field.partition(".")[0].partition("[")[0] for problem in reading.problems}


@pytest.mark.parametrize(
    "repository",
    [
        "/models/x",
        "./x/y",
        "../x",
        "a/../b",
        "https://hub/x/y",
        "x",
        "a/b/c",
        "-x/y",
        "a/b;id",
        "a/--b",
        "~/x",
    ],
)
def test_a_repository_is_neither_a_path_nor_a_url(repository: str) -> None:
    problems = (
        find_problems(repository=repository) if repository.strip() == repository else {"repository": ""}
    )

    assert "repository" in problems


@pytest.mark.parametrize(
    "image",
    [
        "vllm/vllm-openai:v0.33.0",
        "vllm/vllm-openai@sha256:" + "a" * 64,
        "registry.example.org:5000/team/vllm:v0.33.0-cu128@sha256:" + "0" * 64,
        "localhost:5000/vllm:latest",
    ],
)
def test_images_with_a_tag_or_digest_pass(image: str) -> None:
    assert find_problems(image=image) == {}


@pytest.mark.parametrize(
    "image",
    [
        "vllm/vllm-openai",
        "registry:5000/vllm",
        "Vllm/x:1",
        "x:",
        "x@sha256:abc",
        "a b:1",
        "x:1 --privileged",
        "../x:1",
    ],
)
def test_other_images_do_not(image: str) -> None:
    assert "image" in find_problems(image=image)


@pytest.mark.parametrize("name", ["current", "two words", "a//b", "../x", "-x", "a\nb", "x" * 129])
def test_names_that_clients_could_not_use_are_refused(name: str) -> None:
    assert "served_model_name" in find_problems(served_model_name=name)
    assert "aliases[0]" in find_problems(aliases=[name])


def test_names_in_the_manner_of_other_services_are_allowed() -> None:
    assert find_problems(aliases=["gpt-4o", "Qwen/Qwen2-7B", "llama3:8b", "model_1.5"]) == {}


@pytest.mark.parametrize("name", REFUSED_FLAGS)
def test_a_refused_flag_says_why(name: str) -> None:
    assert find_problems(extra_flags={name: "x"}) == {
        f"extra_flags.{name}": f"cannot be set: it {REFUSED_FLAGS[name]}"
    }


def test_a_flag_in_another_spelling_is_corrected() -> None:
    problems = find_problems(extra_flags={"--enable_prefix_caching": True})

    assert problems == {"extra_flags.--enable_prefix_caching": "is written 'enable-prefix-caching'"}


@pytest.mark.parametrize("name", REFUSED_VARIABLES)
def test_a_refused_variable_says_why(name: str) -> None:
    assert find_problems(environment={name: "x"}) == {
        f"environment.{name}": f"cannot be set: it {REFUSED_VARIABLES[name]}"
    }


def test_the_lists_do_not_contradict_themselves() -> None:
    assert not {extra.name for extra in EXTRA_FLAGS} & set(REFUSED_FLAGS)
    assert not {variable.name for variable in VARIABLES} & set(REFUSED_VARIABLES)
    own_flags = {each.flag.name for each in list_settings(ProfileSpec) if each.flag}
    assert not {extra.name for extra in EXTRA_FLAGS} & own_flags


@pytest.mark.parametrize("value", ["/etc/passwd", "../x", "a b", "$HOME", "x\ny", "a;b=c\x00"])
def test_no_variable_can_name_a_file(value: str) -> None:
    for variable in VARIABLES:
        assert f"environment.{variable.name}" in find_problems(environment={variable.name: value})


@pytest.mark.parametrize(
    "value", ["/etc/passwd", "../template.jinja", "http://x", "{% include '/etc/passwd' %}"]
)
def test_a_chat_template_is_never_a_path(value: str) -> None:
    assert "chat_template" in find_problems(chat_template=value)


@pytest.mark.parametrize(
    "value", ["chatml", "{{ messages[0]['content'] }}", "{% for m in messages %}{% endfor %}"]
)
def test_named_and_written_chat_templates_pass(value: str) -> None:
    assert find_problems(chat_template=value) == {}


@pytest.mark.parametrize(
    ("changes", "field", "fragment"),
    [
        ({"image": ""}, "image", "runtime docker"),
        ({"repository": ""}, "repository", "vllm"),
        ({"extra_flags": {"sim-limit": 1}}, "extra_flags.sim-limit", "simulator"),
        ({"is_default": True, "is_enabled": False}, "is_default", "disabled"),
        ({"aliases": ["example"]}, "aliases[0]", "served anyway"),
        ({"aliases": ["a", "a"]}, "aliases[1]", "repeats"),
        ({"max_num_seqs": 64, "max_num_batched_tokens": 32}, "max_num_batched_tokens", "below max_num_seqs"),
        (
            {
                "max_model_len": 4096,
                "max_num_batched_tokens": 2048,
                "extra_flags": {"enable-chunked-prefill": False},
            },
            "max_num_batched_tokens",
            "chunked prefill",
        ),
        ({"max_model_len": 4096, "max_output_tokens": 5000}, "max_output_tokens", "4096"),
        ({"max_model_len": 8193}, "max_model_len", "8192 positions"),
        ({"tensor_parallel_size": 3}, "tensor_parallel_size", "attention heads (32)"),
        ({"pipeline_parallel_size": 33}, "pipeline_parallel_size", "32 layers"),
        ({"tensor_parallel_size": 2, "gpu_selection": ["0"]}, "tensor_parallel_size", "names 1"),
        ({"quantization": "awq"}, "quantization", "not quantized"),
        (
            {"quantization": "awq", "config": CONFIG | {"quantization_config": {"quant_method": "gptq"}}},
            "quantization",
            "gptq",
        ),
        ({"config": {"model_type": "llama"}}, "config.hidden_size", "missing"),
        ({"config": CONFIG | {"vocab_size": "wide"}}, "config.vocab_size", "whole number"),
    ],
)
def test_fields_must_agree(changes: dict[str, Any], field: str, fragment: str) -> None:
    assert fragment in find_problems(**changes)[field]


@pytest.mark.parametrize(
    "config",
    [{"model_type": []}, CONFIG | {"rope_scaling": 7}, CONFIG | {"quantization_config": [1]}, {"x": [{}]}],
)
def test_a_strange_config_never_breaks_the_reading(config: dict[str, Any]) -> None:
    read_profile(make_values(config=config))


def test_marlin_is_the_same_format_as_its_plain_name() -> None:
    quantized = CONFIG | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}

    assert find_problems(config=quantized, quantization="awq_marlin") == {}


def test_auto_and_null_are_the_same_for_sizes_that_can_be_found() -> None:
    assert make_profile(max_model_len="auto", tensor_parallel_size="auto") == make_profile(
        max_model_len=None, tensor_parallel_size=None
    )


def test_a_card_that_is_not_known_must_be_described() -> None:
    values = {"slug": "x", "display_name": "X", "gpu_name": "Voodoo 2", "gpu_count": 2}

    assert {problem.field for problem in read_hardware(values).problems} == {
        "gpu_memory_mib",
        "compute_capability",
    }
    assert read_hardware(values | {"gpu_memory_mib": 24576, "compute_capability": "8.6"}).spec is not None

"""A profile's command line, as keywords for what starts engines from Python."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.profiles.engine_args import build_serve_arguments
from modelops.domain.profiles.engine_kwargs import AUTOMATIC_CONTEXT, read_serve_command
from modelops.domain.profiles.spec import ProfileSpec
from modelops.tests.profiles.setting_samples import NEW_SETTINGS, make_flag_samples


def make_spec(**values: Any) -> ProfileSpec:
    return ProfileSpec(slug="a", display_name="A", repository="maker/model", **values)


def test_each_flag_of_a_profile_is_a_keyword_with_its_typed_value() -> None:
    spec = make_spec(
        served_model_name="a-name",
        max_model_len=4096,
        gpu_memory_utilization=0.85,
        pipeline_parallel_size=2,
        enforce_eager=True,
        revision="2024",
        tool_call_parser="hermes",
        hf_overrides={"rope_theta": 1000000.0},
        extra_flags={"enable-prefix-caching": False, "seed": 7},
    )

    command = read_serve_command(build_serve_arguments(spec, tensor_parallel_size=2))

    assert command.model == "maker/model"
    assert command.served_names == ("a-name", "a")
    assert command.cards == 4
    assert (
        command.kwargs.items()
        >= {
            "max_model_len": 4096,
            "gpu_memory_utilization": 0.85,
            "tensor_parallel_size": 2,
            "pipeline_parallel_size": 2,
            "enforce_eager": True,
            "revision": "2024",
            "enable_auto_tool_choice": True,
            "tool_call_parser": "hermes",
            "enable_prefix_caching": False,
            "seed": 7,
        }.items()
    )
    assert command.kwargs["hf_overrides"] == {"rope_theta": 1000000.0}


def test_an_automatic_context_is_the_number_that_stands_for_it() -> None:
    command = read_serve_command(build_serve_arguments(make_spec()))

    assert command.kwargs["max_model_len"] == AUTOMATIC_CONTEXT
    assert command.kwargs["dtype"] == "auto"
    assert command.cards == 1


@pytest.mark.parametrize("flag", sorted(make_flag_samples()))
def test_every_further_flag_comes_back_as_it_was_given(flag: str) -> None:
    value = make_flag_samples()[flag]

    kwargs = read_serve_command(build_serve_arguments(make_spec(extra_flags={flag: value}))).kwargs

    assert kwargs[flag.replace("-", "_")] == value


def test_every_setting_of_json_comes_back_as_it_was_given() -> None:
    settings = {name: value for name, value in NEW_SETTINGS.items() if name != "lora_adapters"}

    kwargs = read_serve_command(build_serve_arguments(make_spec(**settings))).kwargs

    assert {name: kwargs[name] for name in settings} == settings

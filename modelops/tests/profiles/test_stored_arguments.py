"""What a row holds of an engine passes the lists of what a profile may set, or is not started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modelops.domain.profiles.engine_args import build_environment, build_serve_arguments
from modelops.domain.profiles.stored_arguments import find_stored_problems
from modelops.tests.domain.stored_recipes import STORED_RECIPE
from modelops.tests.profiles.profile_examples import make_profile
from modelops.tests.profiles.setting_samples import NEW_SETTINGS, make_flag_samples

PLAIN = ["serve", "a/b", "--served-model-name", "b", "--dtype", "auto"]


def test_whatever_a_profile_may_set_passes_again() -> None:
    spec = make_profile(
        chat_template="chatml",
        tool_call_parser="hermes",
        enable_sleep_mode=True,
        enforce_eager=True,
        gpu_memory_utilization=0.9,
        environment={"NCCL_P2P_DISABLE": "1"},
        extra_flags={
            "enable-prefix-caching": False,
            "disable-custom-all-reduce": True,
            "cpu-offload-gb": 1.5,
            "seed": 7,
            "tokenizer": "c/d",
        },
    )

    arguments = build_serve_arguments(spec, tensor_parallel_size=2)

    assert "--no-enable-prefix-caching" in arguments
    assert find_stored_problems(arguments, build_environment(spec)) == []
    simulated = make_profile(engine="simulator", extra_flags={"sim-fault": ["no_disk", "cuda_oom"]})
    assert find_stored_problems(build_serve_arguments(simulated), {}) == []
    everything = make_profile(**NEW_SETTINGS, extra_flags=make_flag_samples())
    assert find_stored_problems(build_serve_arguments(everything), build_environment(everything)) == []
    own_text = replace(spec, chat_template="{{ messages }}")
    assert find_stored_problems(build_serve_arguments(own_text), {}) == []


def test_rows_of_earlier_versions_pass() -> None:
    assert find_stored_problems(STORED_RECIPE["arguments"], {}) == []
    woken = [*STORED_RECIPE["arguments"], "--enable-sleep-mode"]
    assert find_stored_problems(woken, STORED_RECIPE["environment"]) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench", "a/b"],
        ["serve"],
        [],
        ["serve", "/etc"],
        ["serve", "--trust-remote-code"],
        [*PLAIN, "--trust-remote-code"],
        [*PLAIN, "--trust_remote_code"],
        [*PLAIN, "--dtype=auto"],
        [*PLAIN, "--api-key", "mine"],
        [*PLAIN, "--allowed-local-media-path", "/"],
        [*PLAIN, "--middleware", "os.system"],
        [*PLAIN, "--hf-overrides", '{"auto_map": {"AutoConfig": "x.py"}}'],
        [*PLAIN, "--speculative-config", '{"model": "/etc", "num_speculative_tokens": 1}'],
        [*PLAIN, "--enable-lora", "--lora-modules", "sql=/etc"],
        [*PLAIN, "--enable-lora", "--lora-modules", "sql=a/b", "/etc"],
        [*PLAIN, "--enable-lora", "--lora-modules"],
        [*PLAIN, "--allowed-media-domains", "a.example", "http://b.example/"],
        [*PLAIN, "--enable-log-requests", "--kv-transfer-config", "{}"],
        [*PLAIN, "--enforce-eager", "stray"],
        [*PLAIN, "--max-model-len"],
        [*PLAIN, "--max-model-len", "-1"],
        [*PLAIN, "--load-format", "pt"],
        [*PLAIN, "--tokenizer", "/root"],
        [*PLAIN, "--chat-template", "/etc/passwd"],
        [*PLAIN, "--chat-template", "chatml"],
        [*PLAIN, "--dtype", " auto"],
        [*PLAIN, "--served-model-name", "a b"],
    ],
)
def test_arguments_that_no_profile_gives_are_found(arguments: list[str]) -> None:
    assert find_stored_problems(arguments, {}) != []


def test_code_is_run_of_the_repositories_that_the_operator_names() -> None:
    trusting = [*PLAIN, "--trust-remote-code"]
    drafting = [*trusting, "--speculative-config", '{"model": "c/d", "num_speculative_tokens": 1}']

    (problem,) = find_stored_problems(drafting, {}, trusted_repositories=("a/b",))

    assert find_stored_problems(trusting, {}, trusted_repositories=("a/b",)) == []
    assert find_stored_problems(drafting, {}, trusted_repositories=("a/b", "c/d")) == []
    assert "c/d, which the setting TRUST_REMOTE_CODE_REPOSITORIES does not name" in problem.reason


@pytest.mark.parametrize(
    "environment",
    [
        {"LD_PRELOAD": "/tmp/x.so"},
        {"HF_TOKEN": "mine"},
        {"HF_ENDPOINT": "https://evil.example"},
        {"VLLM_API_KEY": "mine"},
        {"VLLM_SERVER_DEV_MODE": "1"},
        {"NCCL_DEBUG": "/etc/passwd"},
    ],
)
def test_variables_that_no_profile_gives_are_found(environment: dict[str, str]) -> None:
    assert find_stored_problems(PLAIN, environment) != []

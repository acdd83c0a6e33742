"""The parsers of known model families, and what `auto` makes of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from modelops.domain.profiles.engine_args import build_serve_arguments
from modelops.domain.profiles.model_families import MODEL_FAMILIES, find_family
from modelops.domain.profiles.parser_names import REASONING_PARSERS, TOOL_PARSERS
from modelops.domain.profiles.parsers import list_parser_notes, resolve_parsers
from modelops.tests.profiles.profile_examples import CONFIG, make_profile

BOTH_AUTO = {"tool_call_parser": "auto", "reasoning_parser": "auto"}


def list_parser_arguments(**changes: Any) -> list[str]:
    arguments = build_serve_arguments(make_profile(**changes))
    return [
        word
        for flag in ("--enable-auto-tool-choice", "--tool-call-parser", "--reasoning-parser")
        if flag in arguments
        for word in arguments[arguments.index(flag) :][: 1 if flag.startswith("--enable") else 2]
    ]


def test_every_parser_of_the_table_is_one_that_vllm_registers() -> None:
    tools = {each.tool_call_parser for each in MODEL_FAMILIES if each.tool_call_parser}
    reasoning = {each.reasoning_parser for each in MODEL_FAMILIES if each.reasoning_parser}

    assert tools - TOOL_PARSERS == set()
    assert reasoning - REASONING_PARSERS == set()


def test_every_row_of_the_table_has_a_source_and_a_name_of_its_own() -> None:
    names = [each.name for each in MODEL_FAMILIES]

    assert all(each.source for each in MODEL_FAMILIES)
    assert len(set(names)) == len(names)
    assert all(re.compile(each.pattern) for each in MODEL_FAMILIES)


@pytest.mark.parametrize(
    ("repository", "tools", "reasoning"),
    [
        ("Qwen/Qwen2.5-14B-Instruct", "hermes", ""),
        ("Qwen/Qwen2.5-Coder-32B-Instruct-AWQ", "hermes", ""),
        ("Qwen/Qwen2-7B-Instruct", "", ""),
        ("Qwen/Qwen3-14B-AWQ", "hermes", "qwen3"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "hermes", ""),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "hermes", "qwen3"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_xml", ""),
        ("Qwen/Qwen3.6-27B", "qwen3_coder", "qwen3"),
        ("Qwen/Qwen3-Embedding-0.6B", "", ""),
        ("Qwen/QwQ-32B-AWQ", "hermes", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", "", "deepseek_r1"),
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "", "deepseek_r1"),
        ("TheBloke/deepseek-coder-33B-instruct-AWQ", "", ""),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes", ""),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3_json", ""),
        ("hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", "llama3_json", ""),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama3_json", ""),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "", ""),
        ("casperhansen/llama-3-70b-instruct-awq", "", ""),
        ("codellama/CodeLlama-7b-Instruct-hf", "", ""),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "mistral", ""),
        ("mistralai/Mistral-7B-Instruct-v0.2", "", ""),
        ("mistralai/Magistral-Small-2509", "mistral", "mistral"),
        ("LGAI-EXAONE/EXAONE-4.0-32B", "hermes", ""),
        ("openai/gpt-oss-20b", "openai", "openai_gptoss"),
        ("zai-org/GLM-4.5-Air", "glm45", "glm45"),
        ("google/gemma-4-31B-it", "gemma4", "gemma4"),
        ("microsoft/Phi-3-mini-4k-instruct", "", ""),
    ],
)
def test_auto_takes_the_parsers_of_the_family(repository: str, tools: str, reasoning: str) -> None:
    resolved = resolve_parsers(make_profile(repository=repository, **BOTH_AUTO))

    assert find_family(repository, {}) is not None
    assert (resolved.tool_call_parser, resolved.reasoning_parser) == (tools, reasoning)


def test_a_repository_whose_name_says_nothing_is_known_by_its_config() -> None:
    resolved = resolve_parsers(make_profile(config={**CONFIG, "model_type": "gpt_oss"}, **BOTH_AUTO))

    assert (resolved.tool_call_parser, resolved.reasoning_parser) == ("openai", "openai_gptoss")


def test_a_family_switches_tool_calls_on_for_the_engine() -> None:
    words = list_parser_arguments(repository="Qwen/Qwen3-14B", **BOTH_AUTO)

    expected = "--enable-auto-tool-choice --tool-call-parser hermes --reasoning-parser qwen3"
    assert " ".join(words) == expected


@pytest.mark.parametrize("repository", ["somebody/example-8b", "microsoft/Phi-3-mini-4k-instruct"])
def test_without_parsers_of_a_family_no_flag_is_given(repository: str) -> None:
    assert list_parser_arguments(repository=repository, **BOTH_AUTO) == []


def test_a_parser_that_is_named_wins_over_the_table() -> None:
    words = list_parser_arguments(repository="Qwen/Qwen3-14B", tool_call_parser="qwen3_xml")

    assert " ".join(words) == "--enable-auto-tool-choice --tool-call-parser qwen3_xml"


def test_the_simulated_engine_has_tools_without_a_repository() -> None:
    changes = {"engine": "simulator", "runtime": "process", "repository": "", "image": "", "config": {}}

    words = list_parser_arguments(**changes, **BOTH_AUTO)

    assert " ".join(words) == "--enable-auto-tool-choice --tool-call-parser hermes"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"repository": "Qwen/Qwen2.5-7B-Instruct", **BOTH_AUTO},
            "tool calls are read by hermes, the parser for Qwen2.5",
        ),
        (
            {"repository": "microsoft/Phi-3-mini-4k-instruct", **BOTH_AUTO},
            "tool calls are off: Phi-3, Phi-4 is known to have none",
        ),
        (BOTH_AUTO, "tool calls are off: no parser is known for this model; name one in tool_call_parser"),
        (BOTH_AUTO, "reasoning is not told apart: no parser is known for this model"),
        ({"repository": "Qwen/Qwen3-8B", **BOTH_AUTO}, "reasoning is read by qwen3, the parser for Qwen3"),
        (
            {"repository": "Qwen/Qwen2.5-7B-Instruct"},
            "tool calls are off; with auto in tool_call_parser they are read by hermes",
        ),
    ],
)
def test_the_check_says_what_becomes_of_tool_calls_and_reasoning(changes: dict[str, Any], note: str) -> None:
    notes = list_parser_notes(make_profile(**changes))

    assert any(each.startswith(note) for each in notes), notes


def test_nothing_is_said_of_parsers_that_were_named() -> None:
    assert list_parser_notes(make_profile(tool_call_parser="hermes", reasoning_parser="qwen3")) == ()


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"tool_call_parser": "hermess"}, "hermess is no parser of tool calls that vLLM 0.32 has"),
        ({"reasoning_parser": "qwen4"}, "qwen4 is no parser of reasoning that vLLM 0.32 has"),
    ],
)
def test_a_parser_that_vllm_does_not_have_is_told(changes: dict[str, Any], note: str) -> None:
    (told,) = list_parser_notes(make_profile(**changes))

    assert told.startswith(note)


def test_the_simulated_engine_takes_a_parser_of_any_name() -> None:
    changes = {"engine": "simulator", "runtime": "process", "image": "", "tool_call_parser": "mine"}

    assert list_parser_notes(make_profile(**changes)) == ()

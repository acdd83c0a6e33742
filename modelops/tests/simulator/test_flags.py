from __future__ import annotations

import pytest

from modelops.simulator.faults import START_FAULTS, Fault
from modelops.simulator.flags import ServeSettings, parse_command_line
from modelops.simulator.memory import plan_memory


def parse(*flags: str) -> ServeSettings:
    return parse_command_line(["serve", "org/model", *flags])


def test_an_unknown_flag_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        parse("--frobnicate")

    assert error.value.code == 2
    assert "unrecognized arguments: --frobnicate" in capsys.readouterr().err


def test_the_model_is_its_own_name_by_default() -> None:
    assert parse().served_model_names == ("org/model",)


def test_underscores_are_dashes_as_in_vllm() -> None:
    assert parse("--max_model_len=2048").max_model_len == 2048


@pytest.mark.parametrize(("text", "tokens"), [("16k", 16_000), ("16K", 16_384), ("1.5k", 1500), ("77", 77)])
def test_context_lengths_can_be_written_as_vllm_lets_them(text: str, tokens: int) -> None:
    assert parse("--max-model-len", text).max_model_len == tokens


def test_flags_that_profiles_use_are_accepted() -> None:
    flags = "--dtype bfloat16 --quantization awq --kv-cache-dtype fp8 --max-num-batched-tokens 2048"
    flags += " --swap-space 4 --trust-remote-code --no-enable-prefix-caching --disable-custom-all-reduce"

    assert parse(*flags.split()).model == "org/model"


def test_api_keys_are_not_part_of_what_is_logged() -> None:
    assert "sk-secret" not in parse("--api-key", "sk-secret").non_default_args


@pytest.mark.parametrize("context", [512, 8192, 131_072, 1_000_000])
def test_the_kv_cache_holds_at_least_one_full_context(context: int) -> None:
    settings = parse("--max-model-len", str(context))

    memory = plan_memory(settings)

    assert memory.kv_tokens >= context
    assert memory.max_concurrency == pytest.approx(memory.kv_tokens / context)


def test_every_fault_is_known_on_the_command_line() -> None:
    assert [parse("--sim-fault", fault).simulation.faults for fault in Fault] == [(f,) for f in Fault]
    assert frozenset(Fault) > START_FAULTS

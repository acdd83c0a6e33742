"""`manage.py check_fit`: profiles, a config.json with flags, and files of questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from gateway.conf import BASE_DIR
from modelops.domain.fit.question import answer_question
from modelops.fit.batch import answer_lines
from modelops.hardware import GpuProcess
from modelops.tests.domain.fit_examples import make_config, make_question
from modelops.tests.domain.test_question import PROMISED
from modelops.tests.fit_rows import make_gpu_reading, record, save_large, save_profile

CARD = "RTX 3090:24166"


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    output = StringIO()
    try:
        call_command("check_fit", *arguments, stdout=output, stderr=StringIO())
    except SystemExit as exc:
        return int(exc.code or 0), output.getvalue()
    return 0, output.getvalue()


def refuse(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("check_fit", *arguments, stdout=StringIO(), stderr=StringIO())
    # argparse raises without a code of its own: from a shell it ends the process with 2 itself.
    assert caught.value.returncode == 2 or str(caught.value).startswith("Error: ")
    return str(caught.value)


SPECULATIVE = {"method": "draft_model", "model": "maker/draft", "num_speculative_tokens": 3}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(make_config()))
    return str(path)


def test_config_and_flags_are_answered_like_the_same_question(config: str) -> None:
    code, output = run(
        *("--config", config, "--gpu", CARD, "--gpu", "RTX 3090:24166:23000", "--json"),
        *("--tensor-parallel-size", "2", "--max-model-len", "4096", "--gpu-memory-utilization", "0.8"),
        *("--max-num-seqs", "32", "--kv-cache-dtype", "fp8", "--vllm-version", "0.33.0", "--enforce-eager"),
        *("--speculative-config", json.dumps(SPECULATIVE), "--draft-config", config, "--cpu-offload-gb", "4"),
        *("--enable-lora", "--max-lora-rank", "32"),
    )

    question = make_question(
        gpus=[
            {"name": "RTX 3090", "total_mib": 24166},
            {"name": "RTX 3090", "total_mib": 24166, "free_mib": 23000},
        ],
        tensor_parallel_size=2,
        max_model_len=4096,
        gpu_memory_utilization=0.8,
        max_num_seqs=32,
        kv_cache_dtype="fp8",
        enforce_eager=True,
        speculative_config=SPECULATIVE,
        draft_config=make_config(),
        cpu_offload_gb=4,
        enable_lora=True,
        max_lora_rank=32,
    )
    expected = answer_question(question)
    answer = json.loads(output)
    assert code == 0
    assert {name: answer[name] for name in expected if name != "id"} == {
        name: value for name, value in expected.items() if name != "id"
    }


@pytest.mark.parametrize(
    ("changes", "flags", "code", "verdict"),
    [
        ({}, [], 0, "fits"),
        ({"num_hidden_layers": 42}, [], 0, "tight"),
        ({"num_hidden_layers": 90}, [], 3, "does_not_fit"),
        ({}, ["--max-model-len", "9000"], 3, "does_not_fit"),
        ({"model_type": "new", "architectures": ["New"], "rwkv": 7}, [], 4, "unknown"),
        ({"hidden_size": None}, [], 4, "unknown"),
        ({"partial_rotary_factor": "strange"}, [], 4, "unknown"),
    ],
)
def test_exit_code_says_the_verdict(
    tmp_path: Path, changes: dict[str, Any], flags: list[str], code: int, verdict: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(make_config(**changes)))

    found, output = run("--config", str(path), "--gpu", CARD, "--vllm-version", "0.33.0", "--json", *flags)

    answer = json.loads(output)
    assert (found, answer["verdict"]) == (code, verdict)
    assert set(PROMISED) - {"id"} <= set(answer)


def test_readable_answer_has_the_breakdown_and_what_would_help(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(make_config(num_hidden_layers=60)))

    code, output = run("--config", str(path), "--gpu", CARD, "--gpu", CARD)

    assert code == 3
    assert "DOES NOT FIT (limited by the weights)" in output
    assert "2 × RTX 3090 (23.6 GiB)" in output
    for words in ("weights", "activation", "CUDA graphs", "KV cache", "--tensor-parallel-size 2 → "):
        assert words in output


def test_aim_decides_what_is_suggested(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(make_config(max_position_embeddings=131072)))
    flags = ("--config", str(path), "--gpu", CARD, "--gpu", CARD, "--max-model-len", "16384")

    code, plain = run(*flags)
    _code, longest = run(*flags, "--aim", "context", "--vllm-version", "0.33.0")
    _code, output = run(*flags, "--aim", "users", "--json")

    users = json.loads(output)
    assert (code, "What would help" in plain) == (0, False)
    assert (
        "For the longest context\n  --tensor-parallel-size 2 --max-model-len 131072 → fits: 131,072"
        in longest
    )
    assert "\n      − takes a card more, which another model cannot use then" in longest
    assert users["aim"] == "users"
    assert users["suggestions"][0]["max_concurrency"] > 2 * users["max_concurrency"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gpu", "Imaginary 9000"], "--gpu"),
        (["--gpu", "RTX 3090:24G"], "--gpu"),
        (["--gpu", "RTX 3090:24576:25000"], "more memory free"),
        (["--gpu", CARD, "--hardware", "dual"], "not allowed with"),
        (["--gpu", CARD, "--dtype", "int3"], "--dtype"),
        (["--gpu", CARD, "--kv-cache-dtype", "fp3"], "--kv-cache-dtype"),
        (["--gpu", CARD, "--max-model-len", "long"], "--max-model-len"),
        (["--gpu", CARD, "--max-model-len", "-5"], "--max-model-len"),
        (["--gpu", CARD, "--tensor-parallel-size", "0"], "--tensor-parallel-size"),
        (["--gpu", CARD, "--gpu-memory-utilization", "1.5"], "--gpu-memory-utilization"),
        (["--gpu", CARD, "--gpu-memory-utilization", "nan"], "--gpu-memory-utilization"),
        (["--gpu", CARD, "--weights-bytes", "0"], "--weights-bytes"),
    ],
)
def test_a_wrong_flag_is_named(config: str, arguments: list[str], words: str) -> None:
    assert words in refuse("--config", config, *arguments)


@pytest.mark.parametrize("content", ["", "[]", "{}", "{bad", "\xff"])
def test_a_file_that_is_no_config_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))

    assert "--config" in refuse("--config", str(path), "--gpu", CARD)


def test_files_that_are_not_there_are_named() -> None:
    assert "--config: cannot read /none" in refuse("--config", "/none", "--gpu", CARD)
    assert "--batch: cannot read /none" in refuse("--batch", "/none")


def test_flags_without_effect_are_refused(config: str, tmp_path: Path) -> None:
    batch = tmp_path / "q.jsonl"
    batch.write_text("")

    assert "--max-model-len goes with --config alone" in refuse("some-profile", "--max-model-len", "5")
    assert "each line names its own" in refuse("--batch", str(batch), "--gpu", CARD)
    assert "each line names its own aim" in refuse("--batch", str(batch), "--aim", "users")


def test_batch_answers_every_line_in_order_and_names_the_bad_ones(tmp_path: Path) -> None:
    lines = [
        json.dumps(make_question(id="a")),
        "{not json",
        json.dumps(make_question(id=3, tensor_parallel_size=0)),
        "",
        json.dumps(make_question(id="nan", gpus=[{"name": "x", "total_mib": float("nan")}])),
        json.dumps(make_question(id="strange", config=make_config(num_hidden_layers={"a": 1}))),
        json.dumps(make_question(id=["z"], config=make_config(num_hidden_layers=90))),
    ]
    batch = tmp_path / "q.jsonl"
    batch.write_text("\n".join(lines))

    code, output = run("--batch", str(batch))

    answers = json.loads(output)
    assert [answer["id"] for answer in answers] == ["a", None, 3, None, "strange", ["z"]]
    assert [answer["verdict"] for answer in answers] == ["fits", *["unknown"] * 4, "does_not_fit"]
    assert [answer.problem is not None for answer in answer_lines(lines)] == [0, 1, 1, 1, 1, 0]
    assert answer_lines(lines)[2].problem == (
        "line 3: tensor_parallel_size: must be a whole number above zero, not 0"
    )
    assert code == 2


@pytest.mark.parametrize(
    "config",
    [
        {"a": {"b": 1}},
        make_config(rope_scaling=[1]),
        make_config(num_key_value_heads=0),
        make_config(quantization_config={"quant_method": 7}),
        make_config(vocab_size=1e400),
        make_config(text_config={"model_type": []}),
        make_config(architectures=[{}]),
    ],
)
def test_no_config_ends_a_batch(config: dict[str, Any]) -> None:
    lines = [
        json.dumps({"id": 1, "config": config, "gpus": [{"name": "RTX 3090"}]}).replace("Infinity", "1e999")
    ]

    assert [answer.content["id"] for answer in answer_lines(lines)] == [1]


def test_config_and_batch_work_without_a_database(config: str, tmp_path: Path) -> None:
    batch = tmp_path / "q.jsonl"
    batch.write_text(json.dumps(make_question(id="q")) + "\n")
    data = tmp_path / "data"
    data.mkdir()
    environment = os.environ | {"GATEWAY_DATA_DIR": str(data), "DATABASE_URL": "", "REDIS_URL": ""}

    for arguments in (["--config", config, "--gpu", CARD], ["--batch", str(batch)], ["--batch", "-"]):
        done = subprocess.run(
            [sys.executable, "manage.py", "check_fit", *arguments, "--json"],
            cwd=BASE_DIR,
            env=environment,
            input=batch.read_text(),
            capture_output=True,
            text=True,
            check=False,
        )
        answer = json.loads(done.stdout)
        assert (done.returncode, done.stderr) == (0, "")
        assert (answer[0] if isinstance(answer, list) else answer)["verdict"] == "fits"
    assert list(data.glob("*.sqlite3")) == []


@pytest.mark.django_db
def test_profile_is_checked_against_named_cards_with_auto_resolved() -> None:
    save_profile("eight", config=make_config(num_hidden_layers=48))

    code, output = run("eight", "--gpu", CARD, "--gpu", CARD, "--json")

    answer = json.loads(output)
    assert (code, answer["profile"], answer["tensor_parallel_size"]) == (0, "eight", 2)


@pytest.mark.django_db
def test_profile_is_checked_against_what_the_sampler_saw() -> None:
    save_profile("eight")
    ours = GpuProcess(7, 18_000 << 20, "engine", is_ours=True)
    record(make_gpu_reading(0, used_mib=18_400, processes=(ours,)))

    code, output = run("eight", "--json")

    assert code == 0
    assert json.loads(output)["gpus"][0]["free_bytes"] > 23 << 30


@pytest.mark.django_db
def test_memory_of_others_makes_it_refuse_and_name_them() -> None:
    save_profile("eight")
    record(make_gpu_reading(0, used_mib=10_540, processes=(GpuProcess(99, 10_240 << 20, "trainer"),)))

    code, output = run("eight")

    assert code == 3
    assert "limited by free memory" in output
    assert "trainer (pid 99)" in output


@pytest.mark.django_db
def test_what_does_not_exist_is_named() -> None:
    save_large()

    assert "no profile 'none'" in refuse("none")
    assert "--hardware: There is no hardware profile 'none'" in refuse("large", "--hardware", "none")

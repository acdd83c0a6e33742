"""Which weights are fetched ahead, and what the downloading program's output means."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.runtimes.base import FetchProgress, RuntimeFailure, Workload
from modelops.runtimes.weights import DownloadOutput, Weights, find_downloads, find_weights


def workload(*arguments: str, **values: Any) -> Workload:
    defaults: dict[str, Any] = {"is_simulated": False, "generation": 1, "slot_id": "slot", "profile": "p"}
    return Workload(name="name", arguments=("serve", *arguments), **(defaults | values))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("Qwen/Qwen2.5-7B",), Weights("Qwen/Qwen2.5-7B")),
        (("gpt2",), Weights("gpt2")),
        (("--model", "Qwen/Qwen2.5-7B"), Weights("Qwen/Qwen2.5-7B")),
        (("a/b", "--revision", "v1"), Weights("a/b", revision="v1")),
        (("a/b", "--revision=v1", "--download_dir=/x"), Weights("a/b", revision="v1", cache_dir="/x")),
        (("a/b", "--load-format", "safetensors"), Weights("a/b")),
    ],
)
def test_the_repository_of_the_command_line_is_fetched(arguments: tuple[str, ...], expected: Weights) -> None:
    assert find_weights(workload(*arguments)) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("a/b", "--load-format", "dummy"),
        ("a/b", "--load-format=dummy"),
        ("a/b", "--load_format", "dummy"),
        ("/models/a",),
        ("./a",),
        ("~/a",),
        ("s3://bucket/a",),
        ("owner/name/file.gguf",),
        ("owner/name:Q4_K_M",),
        (),
    ],
)
def test_what_is_local_or_unlike_a_repository_is_not_fetched(arguments: tuple[str, ...]) -> None:
    assert find_weights(workload(*arguments)) is None


def test_nothing_is_fetched_when_simulated_offline_or_a_folder() -> None:
    assert find_weights(workload("a/b", is_simulated=True)) is None
    assert find_weights(workload("a/b", environment={"HF_HUB_OFFLINE": "1"})) is None
    assert find_weights(workload("a/b"), is_folder=lambda name: name == "a/b") is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("a/b",), (Weights("a/b"),)),
        (("a/b", "--tokenizer", "a/b"), (Weights("a/b"),)),
        (("a/b", "--tokenizer", "/words"), (Weights("a/b"),)),
        (("a/b", "--load-format", "dummy", "--tokenizer", "c/d"), ()),
        (
            ("a/b", "--tokenizer", "c/d", "--tokenizer-revision", "v2"),
            (Weights("a/b"), Weights("c/d", revision="v2", is_tokenizer=True)),
        ),
    ],
)
def test_tokenizer_of_another_repository_is_fetched_too(
    arguments: tuple[str, ...], expected: tuple[Weights, ...]
) -> None:
    assert find_downloads(workload(*arguments)) == expected


def test_progress_lines_are_reported_and_others_kept_for_an_error() -> None:
    reports: list[FetchProgress] = []
    output = DownloadOutput(Weights("a/b"), reports.append)

    output.take(['{"done_bytes": 5, "total_bytes": 10}', "Traceback", "42", "it broke"])

    assert reports == [FetchProgress("weights of a/b", 5, 10)]
    with pytest.raises(RuntimeFailure, match="it broke"):
        output.check(1)
    output.check(0)


def test_an_error_line_gives_code_and_advice() -> None:
    output = DownloadOutput(Weights("a/b"), lambda report: None)

    output.take(['{"error": "no_disk", "message": "OSError: no space left"}'])

    with pytest.raises(RuntimeFailure, match="ENGINE_HF_CACHE") as caught:
        output.check(1)
    assert caught.value.code == "no_disk"

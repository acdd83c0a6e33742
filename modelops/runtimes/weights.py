"""Which weights a workload needs from a hub, and having them downloaded before it starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.wording import fill_in
from modelops.runtimes.base import FetchProgress, RuntimeFailure, Workload

DOWNLOAD_PROGRAM = Path(__file__).with_name("weights_download.py")
"""Runs wherever the engine would, with that place's own Python and huggingface_hub."""
_REPOSITORY = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
_UNLIKE_A_SNAPSHOT = frozenset(
    {"dummy", "gguf", "runai_streamer", "runai_streamer_sharded", "sharded_state", "tensorizer"}
)
_OFFLINE = frozenset({"1", "true", "True", "ON", "YES"})
_TAIL_LINES = 20
_ADVICE = {
    "gated_repo": fill_in("The repository is gated: accept its licence on the hub, and set HF_TOKEN"),
    "repository_missing": fill_in(
        "The hub has no such repository or revision, or hides it: check both, and HF_TOKEN"
    ),
    "no_disk": fill_in("There is no space for the weights: make room where ENGINE_HF_CACHE is"),
    "hub_unreachable": fill_in(
        "The hub does not answer, and not all of the weights are here: check the network"
    ),
}


@dataclass(frozen=True)
class Weights:
    """A repository to have in the cache, as `vllm serve` would fetch it."""

    repository: str
    revision: str | None = None
    cache_dir: str | None = None
    is_tokenizer: bool = False
    """Of a repository that is named for its tokenizer alone: everything but its weights."""

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def find_weights(workload: Workload, *, is_folder: Callable[[str], bool] = lambda _: False) -> Weights | None:
    """None where nothing is to be downloaded, or where only the engine knows what.

    `is_folder` says whether a model's name is a folder where the engine runs.
    """
    flags = _read_flags(workload.arguments)
    model = flags.get("--model") or _model_argument(workload.arguments)
    is_fetched_otherwise = (
        workload.is_simulated
        or is_offline(workload)
        or bool(workload.environment.get("VLLM_USE_MODELSCOPE"))
        or flags.get("--load-format", "auto") in _UNLIKE_A_SNAPSHOT
    )
    if (
        is_fetched_otherwise
        or not _REPOSITORY.fullmatch(model)
        or model.endswith(".gguf")
        or is_folder(model)
    ):
        return None
    return Weights(model, flags.get("--revision"), flags.get("--download-dir"))


def find_downloads(
    workload: Workload, *, is_folder: Callable[[str], bool] = lambda _: False
) -> tuple[Weights, ...]:
    """Everything to have in the cache before the engine starts, so that it need not ask the hub: the weights,
    and the tokenizer where it is another repository's. Empty where `find_weights` is None."""
    weights = find_weights(workload, is_folder=is_folder)
    if weights is None:
        return ()
    flags = _read_flags(workload.arguments)
    tokenizer = flags.get("--tokenizer", weights.repository)
    if tokenizer == weights.repository or not _REPOSITORY.fullmatch(tokenizer) or is_folder(tokenizer):
        return (weights,)
    revision = flags.get("--tokenizer-revision")
    return weights, Weights(tokenizer, revision, weights.cache_dir, is_tokenizer=True)


def is_served_from_cache(workload: Workload, *, is_folder: Callable[[str], bool] = lambda _: False) -> bool:
    """Whether all that the engine loads is in the cache once it was prefetched: it needs no hub then."""
    return is_offline(workload) or bool(find_downloads(workload, is_folder=is_folder))


def is_offline(workload: Workload) -> bool:
    """Whether the profile itself says that the cache holds everything."""
    return workload.environment.get("HF_HUB_OFFLINE", "") in _OFFLINE


class DownloadOutput:
    """Understands what `weights_download.py` prints."""

    def __init__(self, weights: Weights, report: Callable[[FetchProgress], None]) -> None:
        self._what = fill_in("weights of {repository}", repository=weights.repository)
        if weights.is_tokenizer:
            self._what = fill_in("tokenizer of {repository}", repository=weights.repository)
        self._report = report
        self._error: Mapping[str, Any] | None = None
        self._tail: list[str] = []

    def take(self, lines: Sequence[str]) -> None:
        for line in lines:
            message = _read_json_object(line)
            if message is None:
                self._tail = [*self._tail, line][-_TAIL_LINES:]
            elif "error" in message:
                self._error = message
            elif "done_bytes" in message:
                self._report(FetchProgress(self._what, message["done_bytes"], message.get("total_bytes")))

    def check(self, exit_code: int | None) -> None:
        """Raises RuntimeFailure unless the download went well."""
        if self._error is not None:
            code, message = self._error["error"], self._error["message"]
            advice = _ADVICE.get(code) or fill_in("The {what} could not be downloaded", what=self._what)
            raise RuntimeFailure(
                fill_in("{advice} ({what}: {message})", advice=advice, what=self._what, message=message),
                code=code,
            )
        if exit_code != 0:
            tail = "\n".join(self._tail)
            raise RuntimeFailure(
                fill_in(
                    "The download of the {what} ended with code {exit_code}.\n{tail}",
                    what=self._what,
                    exit_code=exit_code,
                    tail=tail,
                )
            )


def _model_argument(arguments: Sequence[str]) -> str:
    """`serve MODEL …`"""
    return arguments[1] if len(arguments) > 1 and not arguments[1].startswith("-") else ""


def _read_flags(arguments: Sequence[str]) -> dict[str, str]:
    """`--flag value` and `--flag=value`; vLLM takes underscores for dashes in a flag's name."""
    flags: dict[str, str] = {}
    for index, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, separator, value = argument.partition("=")
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            flags[name.replace("_", "-")] = value if separator else following
    return flags


def _read_json_object(line: str) -> dict[str, Any] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None

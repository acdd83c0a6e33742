"""A fit question as flags of the command line. Every mistake names its flag."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from gateway.caller_language import say_here
from gateway.command_errors import refuse_input
from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.question import FitQuestion, ask, parse_question
from modelops.domain.fit.report import FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import MIB
from modelops.fit.gpu_choice import GpuChoice

_UNREADABLE = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What a config.json with values of strange kinds may run into."""


def parse_length(text: str) -> int | str:
    try:
        return "auto" if text == "auto" else int(text)
    except ValueError as exc:
        raise ArgumentTypeError(
            say_here(fill_in("expected a number of tokens or auto, got {text}", text=repr(text)))
        ) from exc


def parse_object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ArgumentTypeError(say_here(fill_in("expected JSON, got {text}", text=repr(text)))) from exc


QUESTION_FLAGS: dict[str, tuple[Any, str]] = {
    "weights_bytes": (int, "size of the weights on disk, in bytes"),
    "parameters": (int, "number of parameters"),
    "tensor_parallel_size": (int, "GPUs each layer is split over"),
    "pipeline_parallel_size": (int, "stages the layers are split into"),
    "pp_layer_partition": (str, "layers of each stage, such as 16,32"),
    "data_parallel_size": (int, "copies of the engine that share a mixture's experts"),
    "max_model_len": (parse_length, "context in tokens, or auto"),
    "gpu_memory_utilization": (float, "share of each card's total memory"),
    "dtype": (str, "auto, float16, bfloat16 or float32"),
    "quantization": (str, "how the weights are quantized while loading"),
    "kv_cache_dtype": (str, "auto, fp8, bfloat16, …"),
    "max_num_seqs": (int, "requests in one batch"),
    "max_num_batched_tokens": (int, "tokens in one batch"),
    "block_size": (int, "tokens of one block of the KV cache"),
    "vllm_version": (str, "version of the engine, such as 0.33.0"),
    "limit_mm_per_prompt": (parse_object, 'most items of a prompt, such as {"image": 2, "video": 0}'),
    "mm_processor_kwargs": (parse_object, 'how images are prepared, such as {"max_pixels": 1048576}'),
    "mm_encoder_tp_mode": (str, "weights or data: how the vision tower is split"),
    "kv_cache_memory_bytes": (int, "size of the KV cache on each GPU, whatever is left"),
    "cpu_offload_gb": (float, "GiB of the weights of each GPU that stay in host memory"),
    "hf_overrides": (parse_object, "what is read in place of parts of config.json"),
    "speculative_config": (parse_object, 'tokens guessed ahead, such as {"method": "mtp"}'),
    "draft_config": (str, "config.json of the draft model that --speculative-config names"),
    "max_loras": (int, "adapters in one batch"),
    "max_lora_rank": (int, "highest rank of an adapter"),
    "max_cudagraph_capture_size": (int, "largest batch with a CUDA graph"),
}
QUESTION_SWITCHES: dict[str, str] = {
    "enforce_eager": "no CUDA graphs",
    "enable_lora": "room for adapters (LoRA)",
    "fully_sharded_loras": "adapters are split over the GPUs as a whole",
    "enable_expert_parallel": "whole experts on each GPU instead of slices of all",
    "language_model_only": "without the vision tower",
    "disable_custom_all_reduce": "NCCL alone between GPUs",
    "skip_mm_profiling": "no trial of the largest images at the start",
}


def add_question_flags(parser: ArgumentParser) -> None:
    engine = parser.add_argument_group("about the model of --config and its engine")
    for name, (kind, text) in QUESTION_FLAGS.items():
        engine.add_argument(to_flag(name), type=kind, help=text)
    for name, text in QUESTION_SWITCHES.items():
        engine.add_argument(to_flag(name), action="store_true", default=None, help=text)


def refuse_question_flags(options: Mapping[str, Any]) -> None:
    """Raises CommandError for a flag that would be without effect."""
    if given := _list_given(options):
        raise refuse_input(fill_in("{flag} goes with --config alone", flag=to_flag(given[0])))


def read_question(options: Mapping[str, Any], choice: GpuChoice) -> FitQuestion:
    """The question of --config. Raises CommandError naming the flag."""
    if not choice.gpus:
        reason = choice.problems[0].message if choice.problems else fill_in("No GPU has been seen here.")
        raise refuse_input(fill_in("--gpu is needed. {reason}", reason=reason))
    raw = {name: options[name] for name in _list_given(options)}
    raw["config"] = _read_config(Path(options["config"]), "--config")
    if options["draft_config"]:
        raw["draft_config"] = _read_config(Path(options["draft_config"]), "--draft-config")
    raw["aim"] = options["aim"]
    raw["gpus"] = [{"name": gpu.name, "total_mib": gpu.total_bytes / MIB} for gpu in choice.gpus]
    try:
        return replace(parse_question(raw), gpus=choice.gpus)
    except FieldError as exc:
        raise _name_flag(exc) from exc


def ask_question(question: FitQuestion) -> FitReport:
    """The answer; a config.json that lacks something is `unknown`. Raises CommandError naming a bad flag."""
    try:
        return ask(question)
    except FieldError as exc:
        if not exc.field.startswith("config."):
            raise _name_flag(exc) from exc
        return FitReport(Verdict.UNKNOWN, LimitingTerm.INPUT, (exc.wording,))
    except _UNREADABLE as exc:
        reason = fill_in(
            "config cannot be read as a model's config.json ({error}: {problem})",
            error=type(exc).__name__,
            problem=exc,
        )
        return FitReport(Verdict.UNKNOWN, LimitingTerm.INPUT, (reason,))


def read_lines(name: str) -> list[str]:
    """The lines of --batch; `-` is standard input."""
    return read_file(name, "--batch").splitlines()


def read_file(name: str, argument: str) -> str:
    """The text of a file, `-` being standard input. Raises CommandError naming the argument."""
    return sys.stdin.read() if name == "-" else _read_text(Path(name), argument)


def _read_config(path: Path, flag: str) -> Any:
    text = _read_text(path / "config.json" if path.is_dir() else path, flag)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise refuse_input(
            fill_in("{flag}: {path} is not JSON: {problem}", flag=flag, path=path, problem=exc)
        ) from exc


def _read_text(path: Path, flag: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise refuse_input(
            fill_in("{flag}: cannot read {path}: {problem}", flag=flag, path=path, problem=exc.strerror)
        ) from exc
    except UnicodeDecodeError as exc:
        raise refuse_input(fill_in("{flag}: {path} is not UTF-8 text", flag=flag, path=path)) from exc


def _list_given(options: Mapping[str, Any]) -> list[str]:
    return [name for name in (*QUESTION_FLAGS, *QUESTION_SWITCHES) if options[name] is not None]


def _name_flag(exc: FieldError) -> CommandError:
    return refuse_input(fill_in("{flag}: {reason}", flag=to_flag(exc.field), reason=exc.reason))


def to_flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"

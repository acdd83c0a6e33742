"""The command line: vLLM's ``serve`` flags and the simulator's own ``--sim-`` flags."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from modelops.simulator.faults import Fault
from modelops.simulator.tasks import Task, choose_tasks

DEFAULT_MAX_MODEL_LEN = 8192
_MOST_IMAGES = 999
VERSION = "0.33.0+simulated"

# Accepted because profiles use them; the simulator has nothing to do with their values.
_IGNORED_WITH_VALUE = (
    "--allowed-local-media-path --allowed-origins --attention-backend --block-size --chat-template "
    "--chat-template-content-format --compilation-config --config-format --cpu-offload-gb "
    "--cuda-graph-sizes --data-parallel-size --distributed-executor-backend --download-dir "
    "--generation-config --guided-decoding-backend --hf-config-path --hf-overrides --hf-token "
    "--kv-cache-dtype --kv-cache-memory-bytes --kv-transfer-config --load-format "
    "--lora-modules --max-log-len --max-logprobs --max-lora-rank --max-loras --max-num-batched-tokens "
    "--middleware --mm-processor-kwargs --override-generation-config --quantization --revision "
    "--response-role --root-path --rope-scaling --seed --speculative-config --swap-space "
    "--tokenizer --tokenizer-mode --tokenizer-revision --dtype --code-revision "
    "--allowed-media-domains --default-chat-template-kwargs --linear-backend --logprobs-mode --lora-dtype "
    "--long-prefill-token-threshold --mamba-cache-dtype --mamba-cache-mode --mamba-ssm-cache-dtype "
    "--max-cpu-loras --max-cudagraph-capture-size --max-num-queued-reqs --media-io-kwargs "
    "--mm-encoder-tp-mode --mm-processor-cache-gb --mm-processor-cache-type --model-impl --moe-backend "
    "--num-gpu-blocks-override --kv-offloading-size --optimization-level --performance-mode --pooler-config "
    "--prefix-caching-hash-algo --safetensors-load-strategy --scheduling-policy --stream-interval "
    "--structured-outputs-config"
)
_IGNORED_SWITCHES = (
    "--async-scheduling --disable-custom-all-reduce --disable-fastapi-docs --disable-log-requests "
    "--disable-log-stats --enable-chunked-prefill --enable-expert-parallel --enable-log-requests "
    "--enable-lora --enable-prefix-caching --enable-prompt-tokens-details --enable-request-id-headers "
    "--language-model-only --trust-remote-code --disable-cascade-attn --disable-chunked-mm-input "
    "--disable-hybrid-kv-cache-manager --disable-sliding-window --enable-flashinfer-autotune "
    "--enable-per-request-metrics --exclude-tools-when-tool-choice-none --fully-sharded-loras "
    "--interleave-mm-strings --return-tokens-as-token-ids --skip-mm-profiling"
)
_SEVERAL_WORDS = ("--lora-modules", "--allowed-media-domains")
_MULTIPLIERS = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the ``--sim-`` flags chose; described in the package's docstring."""

    startup_s: float
    tokens_per_s: float
    first_token_s: float
    faults: tuple[Fault, ...]
    after: int
    times: int
    status: int
    limit: int | None
    exit_s: float


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """One engine to simulate, as asked for on the command line."""

    model: str
    host: str | None
    port: int
    certificate: tuple[str, str] | None
    """Files of the certificate and its key, where it serves https."""
    served_model_names: tuple[str, ...]
    adapters: dict[str, str]
    """Where each LoRA adapter lies, by its name."""
    max_model_len: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    gpu_memory_utilization: float
    max_num_seqs: int
    enforce_eager: bool
    api_keys: tuple[str, ...]
    sleep_enabled: bool
    shutdown_timeout_s: int
    reasoning_parser: str | None
    auto_tool_choice: bool
    most_images: int
    tasks: tuple[Task, ...]
    access_log: bool
    track_load: bool
    force_include_usage: bool
    non_default_args: str
    simulation: Simulation

    @property
    def canonical_name(self) -> str:
        """The name in every response, whichever served name was asked for."""
        return self.served_model_names[0]

    def serves(self, name: str) -> bool:
        return name in self.served_model_names or name in self.adapters

    def name_in_answers(self, asked: str | None) -> str:
        """An adapter answers by its own name, the model by its first one."""
        return asked if asked is not None and asked in self.adapters else self.canonical_name


def _read_adapter(word: str) -> tuple[str, str]:
    """Of ``NAME=PATH``, or the JSON form with those two keys."""
    if word.startswith("{"):
        described = json.loads(word)
        return str(described["name"]), str(described["path"])
    name, _, path = word.partition("=")
    return name, path


def human_readable_int(text: str) -> int:
    """vLLM's ``16k`` = 16,000 and ``16K`` = 16,384, with decimals for the lower-case units."""
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)([kKmMgG])?", text.strip())
    if match is None or ("." in match[1] and match[2] not in ("k", "m", "g")):
        raise argparse.ArgumentTypeError(f"invalid human-readable integer: {text!r}")
    return int(float(match[1]) * _MULTIPLIERS[match[2]]) if match[2] else int(match[1])


def _context_length(text: str) -> int:
    return -1 if text == "auto" else human_readable_int(text)


def _add_engine_flags(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("model_tag")
    serve.add_argument("--host")
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--ssl-certfile", default=None)
    serve.add_argument("--ssl-keyfile", default=None)
    serve.add_argument("--served-model-name", nargs="+", default=None)
    serve.add_argument("--max-model-len", type=_context_length, default=None)
    serve.add_argument("--tensor-parallel-size", "-tp", type=int, default=1)
    serve.add_argument("--pipeline-parallel-size", "-pp", type=int, default=1)
    serve.add_argument("--gpu-memory-utilization", type=float, default=0.92)
    serve.add_argument("--max-num-seqs", type=int, default=256)
    serve.add_argument("--enforce-eager", action=argparse.BooleanOptionalAction, default=False)
    serve.add_argument("--api-key", nargs="*", default=None)
    serve.add_argument("--enable-sleep-mode", action=argparse.BooleanOptionalAction, default=False)
    serve.add_argument("--shutdown-timeout", type=int, default=0)
    serve.add_argument("--reasoning-parser", default=None)
    serve.add_argument("--tool-call-parser", default=None)
    serve.add_argument("--enable-auto-tool-choice", action=argparse.BooleanOptionalAction, default=False)
    serve.add_argument("--runner", default=None)
    serve.add_argument("--convert", default=None)
    serve.add_argument("--task", default=None)
    serve.add_argument("--limit-mm-per-prompt", type=json.loads, default={})
    serve.add_argument("--enable-server-load-tracking", action="store_true")
    serve.add_argument("--enable-force-include-usage", action="store_true")
    serve.add_argument("--disable-uvicorn-access-log", action="store_true")
    serve.add_argument("--uvicorn-log-level", default="info")
    for flag in _IGNORED_WITH_VALUE.split():
        serve.add_argument(flag, nargs="*" if flag in _SEVERAL_WORDS else None, default=None)
    for flag in _IGNORED_SWITCHES.split():
        serve.add_argument(flag, action=argparse.BooleanOptionalAction, default=None)


def _add_simulation_flags(serve: argparse.ArgumentParser) -> None:
    group = serve.add_argument_group("simulation")
    group.add_argument("--sim-startup-seconds", type=float, default=1.0)
    group.add_argument("--sim-tokens-per-second", type=float, default=60.0)
    group.add_argument("--sim-first-token-seconds", type=float, default=0.05)
    group.add_argument("--sim-fault", type=Fault, action="append", default=[], metavar="NAME")
    group.add_argument("--sim-after", type=int, default=0)
    group.add_argument("--sim-times", type=int, default=0)
    group.add_argument("--sim-status", type=int, default=500)
    group.add_argument("--sim-limit", type=int, default=None)
    group.add_argument("--sim-exit-seconds", type=float, default=5.0)


def _build_parser() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    parser.add_argument("-v", "--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", allow_abbrev=False)
    _add_engine_flags(serve)
    _add_simulation_flags(serve)
    return parser, serve


def _with_dashes(arg: str) -> str:
    """vLLM takes ``--max_model_len`` for ``--max-model-len``; values keep their underscores."""
    if not arg.startswith("--"):
        return arg
    name, separator, value = arg.partition("=")
    return name.replace("_", "-") + separator + value


def _describe_non_default(serve: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    chosen = {
        name: value
        for name, value in vars(args).items()
        if name not in ("command", "api_key", "hf_token")
        and not name.startswith("sim_")
        and value != serve.get_default(name)
    }
    return str(chosen | {"model": args.model_tag})


def _read_simulation(args: argparse.Namespace) -> Simulation:
    return Simulation(
        startup_s=args.sim_startup_seconds,
        tokens_per_s=args.sim_tokens_per_second,
        first_token_s=args.sim_first_token_seconds,
        faults=tuple(args.sim_fault),
        after=args.sim_after,
        times=args.sim_times,
        status=args.sim_status,
        limit=args.sim_limit,
        exit_s=args.sim_exit_seconds,
    )


def _read_api_keys(args: argparse.Namespace) -> tuple[str, ...]:
    keys = args.api_key or [os.environ.get("VLLM_API_KEY", "")]
    return tuple(key for key in keys if key)


def _read_most_images(args: argparse.Namespace) -> int:
    """Images of one prompt; a simulated model takes them unless it is told not to."""
    limit = args.limit_mm_per_prompt.get("image", _MOST_IMAGES)
    if isinstance(limit, dict):
        limit = limit.get("count", _MOST_IMAGES)
    return 0 if args.language_model_only else int(limit)


def _resolve_max_model_len(args: argparse.Namespace) -> int:
    """The asked context; ``auto`` fits itself to what the simulated KV cache can hold."""
    asked: int | None = args.max_model_len
    if asked is None:
        return DEFAULT_MAX_MODEL_LEN
    if asked != -1:
        return asked
    if Fault.CONTEXT_TOO_LONG_FOR_KV in args.sim_fault:
        return min(DEFAULT_MAX_MODEL_LEN, args.sim_limit or DEFAULT_MAX_MODEL_LEN)
    return DEFAULT_MAX_MODEL_LEN


def parse_command_line(argv: Sequence[str]) -> ServeSettings:
    """Read ``serve MODEL …``; raises SystemExit(2) with vLLM's kind of message on a bad line."""
    parser, serve = _build_parser()
    args = parser.parse_args([_with_dashes(arg) for arg in argv])
    if args.max_model_len is not None and args.max_model_len < 1 and args.max_model_len != -1:
        serve.error(f"argument --max-model-len: invalid value: {args.max_model_len}")
    if not 0 < args.gpu_memory_utilization <= 1:
        serve.error(f"argument --gpu-memory-utilization: invalid value: {args.gpu_memory_utilization}")
    names = tuple(args.served_model_name or [args.model_tag])
    if Fault.WRONG_SERVED_NAME in args.sim_fault:
        names = (f"not-{names[0]}",)
    return ServeSettings(
        model=args.model_tag,
        host=args.host,
        port=args.port,
        certificate=(args.ssl_certfile, args.ssl_keyfile or args.ssl_certfile) if args.ssl_certfile else None,
        served_model_names=names,
        adapters=dict(_read_adapter(word) for word in args.lora_modules or ()),
        max_model_len=_resolve_max_model_len(args),
        tensor_parallel_size=args.tensor_parallel_size,
        pipeline_parallel_size=args.pipeline_parallel_size,
        gpu_memory_utilization=args.gpu_memory_utilization,
        max_num_seqs=args.max_num_seqs,
        enforce_eager=args.enforce_eager,
        api_keys=_read_api_keys(args),
        sleep_enabled=args.enable_sleep_mode and os.environ.get("VLLM_SERVER_DEV_MODE") == "1",
        shutdown_timeout_s=args.shutdown_timeout,
        reasoning_parser=args.reasoning_parser,
        auto_tool_choice=args.enable_auto_tool_choice and args.tool_call_parser is not None,
        most_images=_read_most_images(args),
        tasks=choose_tasks(runner=args.runner, convert=args.convert, task=args.task),
        access_log=not args.disable_uvicorn_access_log and args.uvicorn_log_level in ("info", "debug"),
        track_load=args.enable_server_load_tracking,
        force_include_usage=args.enable_force_include_usage,
        non_default_args=_describe_non_default(serve, args),
        simulation=_read_simulation(args),
    )

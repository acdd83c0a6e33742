"""How each start-up fault looks: when it strikes, the traceback it leaves and how the process ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from modelops.simulator.console import ConsoleLine, Stream
from modelops.simulator.faults import Fault
from modelops.simulator.flags import ServeSettings
from modelops.simulator.memory import TOTAL_GIB

_FREE_GIB = 9.48
_DEFAULT_LIMIT_TOKENS = 2048
_DEFAULT_HEADS = 25
_CONSERVING = "See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."


class Ending(StrEnum):
    """What the process does when the fault strikes."""

    EXIT = "exit"
    KILL = "kill"
    FILL = "fill"
    """It takes memory until the kernel ends it; where that grants more than 2 GiB it ends itself."""
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class StartupFailure:
    """A start that goes wrong at a share ``at`` of its duration."""

    at: float
    ending: Ending
    lines: tuple[ConsoleLine, ...] = ()


def find_startup_failure(settings: ServeSettings) -> StartupFailure | None:
    """The first fault that applies; some do not apply to gentler settings, as with a real engine.

    ``context_too_long_for_kv`` and ``context_beyond_positions`` let a context up to ``--sim-limit``
    start, ``gpu_occupied`` a utilization up to 0.40, ``heads_not_divisible`` a divisor of the heads.
    """
    for fault in settings.simulation.faults:
        build = _BUILDERS.get(fault)
        failure = build(settings) if build else None
        if failure is not None:
            return failure
    return None


def port_in_use() -> StartupFailure:
    """The port was taken: the API server's own traceback, before the engine starts."""
    frame = (
        '  File "/usr/local/lib/python3.12/dist-packages/vllm/entrypoints/launchers/launcher.py", line 344'
    )
    text = f"{_TRACEBACK}\n{frame}, in create_server_socket\n    sock.bind(addr)\n"
    return _api_server_failure(0.01, text + "OSError: [Errno 98] Address already in use")


_TRACEBACK = "Traceback (most recent call last):"
_SERVE_FRAMES = """\
Traceback (most recent call last):
  File "/usr/local/bin/vllm", line 10, in <module>
    sys.exit(main())
  File "/usr/local/lib/python3.12/dist-packages/vllm/entrypoints/cli/main.py", line 73, in main
    args.dispatch_function(args)
  File "/usr/local/lib/python3.12/dist-packages/vllm/entrypoints/cli/serve.py", line 124, in cmd
    uvloop.run(run_server(args))"""
_ENGINE_FRAMES = """\
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 1478, in run_engine_core
    engine_core = EngineCoreProc(*args, engine_index=dp_rank, **kwargs)
  File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 128, in __init__
    self.model_executor = executor_class(vllm_config)"""


def _raw(text: str) -> ConsoleLine:
    return ConsoleLine(text, stream=Stream.STDERR)


def _api_server_failure(at: float, error: str) -> StartupFailure:
    text = error if error.startswith(_TRACEBACK) else f"{_SERVE_FRAMES}\n{error}"
    return StartupFailure(at=at, ending=Ending.EXIT, lines=(_raw(text),))


def _engine_failure(at: float, error: str, *, before: tuple[ConsoleLine, ...] = ()) -> StartupFailure:
    """An error in the engine core, then the API server's wrapper, which names no cause."""
    trace = f"{_ENGINE_FRAMES}\n{error}"
    core = ConsoleLine(f"EngineCore failed to start.\n{trace}", source="core.py:1510", level="ERROR")
    wrapper = (
        f"{_SERVE_FRAMES}\nRuntimeError: Engine core initialization failed. See root cause above. "
        "Failed core proc(s): {'EngineCore': 1}"
    )
    lines = (
        core,
        _raw(f"Process EngineCore:\n{trace}"),
        _raw(wrapper),
    )
    return StartupFailure(at=at, ending=Ending.EXIT, lines=before + lines)


def _gpu_occupied(settings: ServeSettings) -> StartupFailure | None:
    desired_gib = TOTAL_GIB * settings.gpu_memory_utilization
    if desired_gib <= _FREE_GIB:
        return None
    return _engine_failure(
        0.11,
        f"ValueError: Free memory on device cuda:0 ({_FREE_GIB}/{TOTAL_GIB} GiB) on startup is less than "
        f"desired GPU memory utilization ({settings.gpu_memory_utilization}, {desired_gib:.2f} GiB). "
        "Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    )


def _cuda_oom(_: ServeSettings) -> StartupFailure:
    error = (
        "CUDA out of memory. Tried to allocate 224.00 MiB. GPU 0 has a total capacity of 23.69 GiB of "
        "which 180.06 MiB is free. Including non-PyTorch memory, this process has 23.50 GiB memory in use."
    )
    hint = (
        "Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization to free "
        "memory for weights, increasing --tensor-parallel-size, or using --quantization. "
        f"{_CONSERVING} (original error: {error})"
    )
    before = (ConsoleLine(hint, source="gpu_model_runner.py:5146", level="ERROR"),)
    return _engine_failure(0.30, f"torch.OutOfMemoryError: {error}", before=before)


def _no_kv_blocks(_: ServeSettings) -> StartupFailure:
    return _engine_failure(
        0.71,
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        f"initializing the engine. {_CONSERVING}",
        before=(ConsoleLine("Available KV cache memory: -0.42 GiB", source="gpu_worker.py:759"),),
    )


def _context_too_long_for_kv(settings: ServeSettings) -> StartupFailure | None:
    limit = settings.simulation.limit or _DEFAULT_LIMIT_TOKENS
    if settings.max_model_len <= limit:
        return None
    needed_gib, available_gib = settings.max_model_len / 2**13, limit / 2**13
    return _engine_failure(
        0.71,
        f"ValueError: To serve at least one request with the model's max seq len "
        f"({settings.max_model_len}), ({needed_gib:.2f} GiB KV cache is needed, which is larger than the "
        f"available KV cache memory ({available_gib:.2f} GiB). Based on the available memory, the estimated "
        f"maximum model length is {limit}. Try increasing `gpu_memory_utilization` (which also controls CPU "
        "memory on the CPU backend) or decreasing `max_model_len` when initializing the engine. "
        f"{_CONSERVING}",
    )


def _validation_error(config: str, text: str) -> str:
    return (
        f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {config}\n"
        f"  Value error, {text} [type=value_error, input_value=ArgsKwargs(...), input_type=ArgsKwargs]\n"
        "    For further information visit https://errors.pydantic.dev/2.14/v/value_error"
    )


def _heads_not_divisible(settings: ServeSettings) -> StartupFailure | None:
    heads = settings.simulation.limit or _DEFAULT_HEADS
    if heads % settings.tensor_parallel_size == 0:
        return None
    error = (
        f"Total number of attention heads ({heads}) must be divisible by tensor parallel size "
        f"({settings.tensor_parallel_size})."
    )
    return _api_server_failure(0.03, _validation_error("VllmConfig", error))


def _context_beyond_positions(settings: ServeSettings) -> StartupFailure | None:
    positions = settings.simulation.limit or _DEFAULT_LIMIT_TOKENS
    if settings.max_model_len <= positions:
        return None
    error = (
        f"User-specified max_model_len ({settings.max_model_len}) is greater than the derived max_model_len "
        f"(max_position_embeddings={positions}.0 or model_max_length=None in model's config.json). To allow "
        "overriding this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1. "
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN must be used with extreme caution."
    )
    return _api_server_failure(0.02, _validation_error("ModelConfig", error))


def _gated_repo(settings: ServeSettings) -> StartupFailure:
    url = f"https://huggingface.co/{settings.model}"
    return _api_server_failure(
        0.01,
        "OSError: You are trying to access a gated repo.\n"
        f"Make sure to have access to it at {url}.\n"
        "401 Client Error. (Request ID: Root=1-simulated)\n\n"
        f"Cannot access gated repo for url {url}/resolve/main/config.json.\n"
        f"Access to model {settings.model} is restricted. You must have access to it and be authenticated "
        "to access it. Please log in.",
    )


def _no_disk(_: ServeSettings) -> StartupFailure:
    return _engine_failure(0.15, "OSError: [Errno 28] No space left on device")


def _no_shm(_: ServeSettings) -> StartupFailure:
    return _engine_failure(
        0.105,
        "RuntimeError: Insufficient space in /dev/shm for the shared memory message queue: 240 MiB required, "
        "64 MiB free. Increase /dev/shm (e.g. --shm-size or --ipc=host).",
    )


def _nccl_error(_: ServeSettings) -> StartupFailure:
    return _engine_failure(
        0.105,
        "torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/"
        "ProcessGroupNCCL.cpp:3690, unhandled system error (run with NCCL_DEBUG=INFO for details), "
        "NCCL version 2.28.9\n"
        "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.",
    )


_BUILDERS: Mapping[Fault, Callable[[ServeSettings], StartupFailure | None]] = {
    Fault.GPU_OCCUPIED: _gpu_occupied,
    Fault.CUDA_OOM: _cuda_oom,
    Fault.NO_KV_BLOCKS: _no_kv_blocks,
    Fault.CONTEXT_TOO_LONG_FOR_KV: _context_too_long_for_kv,
    Fault.HEADS_NOT_DIVISIBLE: _heads_not_divisible,
    Fault.CONTEXT_BEYOND_POSITIONS: _context_beyond_positions,
    Fault.GATED_REPO: _gated_repo,
    Fault.NO_DISK: _no_disk,
    Fault.NO_SHM: _no_shm,
    Fault.NCCL_ERROR: _nccl_error,
    Fault.PORT_IN_USE: lambda _: port_in_use(),
    Fault.KILLED: lambda _: StartupFailure(at=0.35, ending=Ending.KILL),
    Fault.FILL_HOST_MEMORY: lambda _: StartupFailure(at=0.35, ending=Ending.FILL),
    Fault.HANG_LOADING: lambda _: StartupFailure(at=0.35, ending=Ending.HANG),
}

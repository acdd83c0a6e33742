"""What vLLM prints while it starts, and when, as shares of the whole start-up.

Wording and order are those of vLLM 0.32/0.33 on a GPU. Note that "Starting to load model" comes
before the download has ended: that is vLLM's order too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modelops.simulator.console import Component, ConsoleLine, Stream
from modelops.simulator.flags import VERSION, ServeSettings
from modelops.simulator.memory import MemoryPlan
from modelops.simulator.paths import list_paths

_SHARDS = 4
_GRAPH_SIZES = 51
_BANNER = """
       █     █     █▄   ▄█
 ▄▄ ▄█ █     █     █ ▀▄▀ █  version {version}
  █▄█▀ █     █     █     █  model   {model}
   ▀▀  ▀▀▀▀▀ ▀▀▀▀▀ ▀     ▀
"""


@dataclass(frozen=True, slots=True)
class TimedLine:
    """A line and the share of the start-up (0 to 1) at which it appears."""

    at: float
    line: ConsoleLine


def startup_lines(settings: ServeSettings, memory: MemoryPlan) -> list[TimedLine]:
    """Every line of a good start, in order of time."""
    parts = (_boot, _distributed, _weights, _compile_and_profile, _kv_cache, _graphs, _listen)
    return [timed for part in parts for timed in part(settings, memory)]


def _api(at: float, source: str, text: str) -> TimedLine:
    return TimedLine(at, ConsoleLine(text, component=Component.API_SERVER, source=source))


def _core(at: float, source: str, text: str) -> TimedLine:
    return TimedLine(at, ConsoleLine(text, component=Component.ENGINE_CORE, source=source))


def _worker(settings: ServeSettings, at: float, source: str, text: str) -> TimedLine:
    """Workers are processes of their own only when there are several GPUs."""
    component = Component.WORKER if _world_size(settings) > 1 else Component.ENGINE_CORE
    return TimedLine(at, ConsoleLine(text, component=component, source=source))


def _bar(at: float, text: str) -> TimedLine:
    return TimedLine(at, ConsoleLine("\r" + text, stream=Stream.STDERR))


def _world_size(settings: ServeSettings) -> int:
    return settings.tensor_parallel_size * settings.pipeline_parallel_size


def _seconds(settings: ServeSettings, share: float) -> float:
    return settings.simulation.startup_s * share


def _boot(settings: ServeSettings, _: MemoryPlan) -> Iterator[TimedLine]:
    yield _api(0.00, "api_utils.py:347", _BANNER.format(version=VERSION, model=settings.model))
    yield _api(0.00, "api_utils.py:286", f"non-default args: {settings.non_default_args}")
    yield _api(0.02, "model.py:733", "Resolved architecture: LlamaForCausalLM")
    yield _api(0.02, "model.py:2152", f"Using max model len {settings.max_model_len}")
    yield _api(0.04, "scheduler.py:258", "Chunked prefill is enabled with max_num_batched_tokens=2048.")
    yield _core(
        0.06,
        "core.py:133",
        f"Initializing a V1 LLM engine (v{VERSION}) with config: model={settings.model!r}, "
        f"tokenizer={settings.model!r}, dtype=torch.bfloat16, max_seq_len={settings.max_model_len}, "
        f"tensor_parallel_size={settings.tensor_parallel_size}, "
        f"pipeline_parallel_size={settings.pipeline_parallel_size}, quantization=None, "
        f"enforce_eager={settings.enforce_eager}, served_model_name={settings.canonical_name}",
    )


def _distributed(settings: ServeSettings, _: MemoryPlan) -> Iterator[TimedLine]:
    world_size = _world_size(settings)
    yield _worker(
        settings,
        0.08,
        "parallel_state.py:1906",
        f"world_size={world_size} rank=0 local_rank=0 "
        "distributed_init_method=tcp://127.0.0.1:47525 backend=nccl",
    )
    if world_size > 1:
        yield _worker(settings, 0.09, "pynccl.py:148", "vLLM is using nccl==2.28.9")
    yield _worker(
        settings,
        0.10,
        "parallel_state.py:2350",
        f"rank 0 in world size {world_size} is assigned as DP rank 0, PP rank 0, PCP rank 0, TP rank 0, "
        "ETP rank 0, EP rank N/A, EPLB rank N/A",
    )


def _weights(settings: ServeSettings, memory: MemoryPlan) -> Iterator[TimedLine]:
    yield _worker(settings, 0.12, "gpu_model_runner.py:5040", f"Starting to load model {settings.model}...")
    yield _worker(
        settings,
        0.18,
        "weight_utils.py:532",
        f"Time spent downloading weights for {settings.model}: {_seconds(settings, 0.06):.6f} seconds",
    )
    for done in range(_SHARDS + 1):
        progress = f"{done * 100 // _SHARDS:3d}% Completed | {done}/{_SHARDS}"
        at = 0.20 + 0.22 * done / _SHARDS
        yield _bar(at, f"Loading safetensors checkpoint shards: {progress} [00:00<00:00,  4.00it/s]\n")
    yield _worker(
        settings,
        0.43,
        "default_loader.py:501",
        f"Loading weights took {_seconds(settings, 0.23):.2f} seconds",
    )
    yield _worker(
        settings,
        0.45,
        "gpu_model_runner.py:5149",
        f"Model loading took {memory.weights_gib:.2f} GiB memory and {_seconds(settings, 0.33):.6f} seconds",
    )


def _compile_and_profile(settings: ServeSettings, memory: MemoryPlan) -> Iterator[TimedLine]:
    if not settings.enforce_eager:
        cache = "/root/.cache/vllm/torch_compile_cache/5142c5a1ab/rank_0_0/backbone"
        for at, source, text in (
            (0.46, "monitor.py:40", "Starting torch.compile"),
            (0.47, "backends.py:1104", f"Using cache directory: {cache} for vLLM's torch.compile"),
            (0.49, "backends.py:1166", f"Dynamo bytecode transform time: {_seconds(settings, 0.02):.2f} s"),
            (0.50, "backends.py:382", "Cache the graph of compile range (1, 2048) for later use"),
            (
                0.60,
                "backends.py:398",
                f"Compiling a graph for compile range (1, 2048) takes {_seconds(settings, 0.10):.2f} s",
            ),
            (0.62, "monitor.py:63", f"torch.compile took {_seconds(settings, 0.16):.2f} s in total"),
        ):
            yield _worker(settings, at, source, text)
    took = f"Initial profiling/warmup run took {_seconds(settings, 0.04):.2f} s"
    yield _worker(settings, 0.66, "monitor.py:91", took)
    if memory.graphs_gib:
        estimate = f"Estimated CUDA graph memory: {memory.graphs_gib:.2f} GiB total"
        yield _worker(settings, 0.68, "gpu_model_runner.py:6474", estimate)


def _kv_cache(settings: ServeSettings, memory: MemoryPlan) -> Iterator[TimedLine]:
    available = f"Available KV cache memory: {memory.kv_gib:.2f} GiB"
    yield _worker(settings, 0.70, "gpu_worker.py:759", available)
    yield _core(
        0.72,
        "kv_cache_utils.py:2327",
        f"GPU KV cache size: {memory.kv_tokens:,} tokens, Maximum concurrency for "
        f"{settings.max_model_len:,} tokens per request: {memory.max_concurrency:.2f}x",
    )


def _graphs(settings: ServeSettings, memory: MemoryPlan) -> Iterator[TimedLine]:
    if not settings.enforce_eager:
        for done in (0, 17, 34, _GRAPH_SIZES):
            bar = "█" * (done * 10 // _GRAPH_SIZES)
            progress = f"{done * 100 // _GRAPH_SIZES:3d}%|{bar:<10}| {done}/{_GRAPH_SIZES}"
            yield _bar(
                0.74 + 0.16 * done / _GRAPH_SIZES,
                f"Capturing CUDA graphs (mixed prefill-decode, PIECEWISE): {progress} "
                "[00:00<00:00, 33.44it/s]",
            )
        yield _worker(
            settings,
            0.92,
            "gpu_model_runner.py:6581",
            f"Graph capturing finished in {_seconds(settings, 0.18):.0f} secs, "
            f"took {memory.graphs_gib:.2f} GiB",
        )
    compilation = "" if settings.enforce_eager else f" (compilation: {_seconds(settings, 0.16):.2f} s)"
    took = f"{_seconds(settings, 0.49):.2f} s{compilation}"
    yield _core(0.94, "core.py:402", f"init engine (profile, create kv cache, warmup model) took {took}")


def _listen(settings: ServeSettings, _: MemoryPlan) -> Iterator[TimedLine]:
    yield _api(0.95, "entry.py:136", f"Supported tasks: {[str(task) for task in settings.tasks]}")
    yield _api(0.96, "entry.py:138", "This is a simulated engine: no model is loaded.")
    address = f"http://{settings.host or '0.0.0.0'}:{settings.port}"  # noqa: S104 - as vLLM prints it
    yield _api(0.97, "entry.py:140", f"Starting vLLM server on {address}")
    yield _api(0.97, "launcher.py:186", "Available routes are:")
    for path, methods in list_paths(settings.tasks):
        yield _api(0.97, "launcher.py:195", f"Route: {path}, Methods: {methods}")

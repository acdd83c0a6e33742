"""What speaks against a start: what the engine refuses, what memory cannot hold, what it may not hold."""

from dataclasses import dataclass
from math import ceil

from gateway.wording import fill_in
from modelops.domain.fit import calibration
from modelops.domain.fit.budget import Budget
from modelops.domain.fit.capability import find_capability_problems
from modelops.domain.fit.divisibility import (
    find_parallel_problems,
    find_partition_problems,
)
from modelops.domain.fit.engine_defaults import EngineTraits, resolve_dtype
from modelops.domain.fit.quantization_methods import find_method_problems
from modelops.domain.fit.report import Band, LimitingTerm
from modelops.domain.fit.specs import (
    GIB,
    MIB,
    EngineSettings,
    Gpu,
    ModelArchitecture,
)

_WEIGHTS_SHARE = 0.85
_ACTIVATION_SHARE = 0.4
_USEFUL_CONTEXT = 2048


@dataclass(frozen=True)
class Obstacle:
    limit: LimitingTerm
    reason: str


def find_blockers(
    model: ModelArchitecture, settings: EngineSettings, gpu: Gpu, traits: EngineTraits
) -> list[Obstacle]:
    """What the engine refuses whatever the memory: sizes, card, positions."""
    parallel = find_parallel_problems(
        model, settings.tensor_parallel_size, settings.pipeline_parallel_size, experts=settings.expert_split
    )
    parallel += find_partition_problems(model, settings)
    findings = [Obstacle(LimitingTerm.PARALLEL_SIZE, problem) for problem in parallel]
    dtype = resolve_dtype(settings.dtype, model, gpu)
    for problem in find_capability_problems(model, settings, dtype, gpu, traits):
        findings.append(Obstacle(LimitingTerm.COMPUTE_CAPABILITY, problem))
    for problem in find_method_problems(model, settings, traits.version):
        findings.append(Obstacle(LimitingTerm.QUANTIZATION, problem))
    positions, asked = model.max_positions, settings.max_model_len
    if asked and positions and asked > positions and not settings.is_max_model_len_auto:
        findings.append(
            Obstacle(
                LimitingTerm.CONTEXT,
                fill_in(
                    "max_model_len {asked} is more than the model's {positions} positions",
                    asked=asked,
                    positions=positions,
                ),
            )
        )
    return findings


def find_memory_failures(budget: Budget, band: Band, gpus: tuple[Gpu, ...], longest: int) -> list[Obstacle]:
    """What cannot hold even at the better edge of the band."""
    findings = []
    stage, length = budget.tightest, budget.settings.max_model_len
    for gpu in gpus:
        free = _read_free(gpu, budget)
        requested = ceil(budget.settings.gpu_memory_utilization * gpu.total_bytes)
        is_short = free + calibration.FREE_ERROR_BYTES < requested
        if is_short and budget.settings.kv_cache_memory_bytes is None:
            findings.append(
                Obstacle(
                    LimitingTerm.FREE_MEMORY,
                    fill_in(
                        "{free} free on {name} when the engine starts is less than the {requested} it "
                        "asks for ({share} of the card)",
                        free=_gib(free),
                        name=gpu.name,
                        requested=_gib(requested),
                        share=f"{budget.settings.gpu_memory_utilization:g}",
                    ),
                )
            )
            break
    if band.high_bytes <= 0:
        return [*findings, _name_shortage(budget)]
    needed = stage.layout.count_request_bytes(length)
    if needed > band.high_bytes and not stage.layout.is_empty:
        findings.append(
            Obstacle(
                LimitingTerm.KV_CACHE,
                fill_in(
                    "one request of {length} tokens needs {needed} of KV cache, at most {most} is "
                    "left; the largest context that fits is {longest}",
                    length=length,
                    needed=_gib(needed),
                    most=_gib_below(band.high_bytes, needed),
                    longest=longest,
                ),
            )
        )
    return findings


def _name_shortage(budget: Budget) -> Obstacle:
    stage = budget.tightest
    parts = fill_in(
        "weights {weights_bytes}, activation {activation_bytes} and overhead leave "
        "nothing of the {requested_bytes} budget for a KV cache",
        weights_bytes=_gib(stage.weights_bytes),
        activation_bytes=_gib(budget.activation_bytes),
        requested_bytes=_gib(budget.requested_bytes),
    )
    if stage.weights_bytes >= _WEIGHTS_SHARE * budget.requested_bytes:
        return Obstacle(LimitingTerm.WEIGHTS, parts)
    if budget.activation_bytes >= _ACTIVATION_SHARE * budget.requested_bytes:
        return Obstacle(LimitingTerm.ACTIVATION, parts)
    return Obstacle(LimitingTerm.KV_CACHE, parts)


def _read_free(gpu: Gpu, budget: Budget) -> int:
    """What the engine will read as free at best: its own context is gone by then."""
    idle = gpu.total_bytes - min(budget.context_bytes, _least_context(budget))
    return idle if gpu.free_bytes is None else min(gpu.free_bytes, idle)


def _least_context(budget: Budget) -> int:
    settings = budget.settings
    is_parallel = settings.world_size > 1
    more = calibration.LEAST_PARALLEL_CONTEXT_BYTES if is_parallel else 0
    return calibration.DEFAULT_CONTEXT_BYTES + more


def find_doubts(
    budget: Budget, band: Band, gpus: tuple[Gpu, ...], traits: EngineTraits, longest: int
) -> list[Obstacle]:
    findings = []
    length = budget.settings.max_model_len
    needed = budget.tightest.layout.count_request_bytes(length)
    if band.low_bytes < max(needed, 1):
        findings.append(
            Obstacle(
                LimitingTerm.KV_CACHE,
                fill_in(
                    "within the uncertainty: {needed} of KV cache needed, {low_bytes}–{high_bytes} expected",
                    needed=_gib(needed),
                    low_bytes=_gib(max(band.low_bytes, 0)),
                    high_bytes=_gib(band.high_bytes),
                ),
            )
        )
    for gpu in gpus:
        free = gpu.total_bytes if gpu.free_bytes is None else gpu.free_bytes
        requested = budget.settings.gpu_memory_utilization * gpu.total_bytes
        spare = min(free, gpu.total_bytes) - budget.context_bytes - requested
        if spare < 0:
            findings.append(
                Obstacle(
                    LimitingTerm.FREE_MEMORY,
                    fill_in("free memory on {name} only just covers the request", name=gpu.name),
                )
            )
            break
        if not budget.settings.counts_graphs and spare < budget.cuda_graph_bytes // 2:
            text = fill_in(
                "CUDA graphs ({size}) come on top and little is spare on {card}",
                size=_gib(budget.cuda_graph_bytes),
                card=gpu.name,
            )
            findings.append(Obstacle(LimitingTerm.CUDA_GRAPHS, text))
            break
    if longest < _USEFUL_CONTEXT and longest < length:
        findings.append(
            Obstacle(LimitingTerm.KV_CACHE, fill_in("only {longest} tokens of context fit", longest=longest))
        )
    return findings


def _gib(count: int) -> str:
    return f"{count / GIB:.2f} GiB"


def _gib_below(count: int, needed: int) -> str:
    """`count`, which is less than `needed` and is not to read like the same figure."""
    if _gib(count) != _gib(needed):
        return _gib(count)
    return fill_in("{size} less", size=f"{(needed - count) / MIB:,.0f} MiB")

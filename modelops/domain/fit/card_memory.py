"""What a fit report makes of the memory of each card, in parts that add up to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.report import Band, FitReport
from modelops.domain.fit.specs import Gpu


class MemoryKind(StrEnum):
    """The parts of a card's memory, in the order in which a bar shows them."""

    OTHERS = "others"
    """What other processes hold."""
    WEIGHTS = "weights"
    WORKING = "working"
    """Activation, CUDA graphs, what lies outside PyTorch, and the CUDA context."""
    KV_CACHE = "kv_cache"
    FREE = "free"


@dataclass(frozen=True)
class MemoryPart:
    kind: MemoryKind
    size_bytes: int


@dataclass(frozen=True)
class CardMemory:
    """One card that the engine would use. The parts are all kinds, in order; none is negative."""

    name: str
    total_bytes: int
    parts: tuple[MemoryPart, ...]
    band: Band | None = None
    """Between which edges the KV cache will lie in nine runs of ten; none is negative."""
    request_bytes: int | None = None
    """What one request of the whole context takes of the KV cache."""

    @property
    def cache_begin(self) -> int:
        """Where the KV cache begins, counted from the beginning of the card."""
        before = (MemoryKind.OTHERS, MemoryKind.WEIGHTS, MemoryKind.WORKING)
        return sum(part.size_bytes for part in self.parts if part.kind in before)

    @property
    def needed_bytes(self) -> int:
        """All parts but what stays free: more than the card has where the engine does not fit."""
        return sum(part.size_bytes for part in self.parts if part.kind is not MemoryKind.FREE)

    @property
    def missing_bytes(self) -> int:
        return max(0, self.needed_bytes - self.total_bytes)


def split_memory(report: FitReport, gpus: tuple[Gpu, ...] | None) -> tuple[CardMemory, ...]:
    """The cards that the engine would use, in its order; none where the report says nothing of memory.

    The report's sizes are those of the tightest pipeline stage, so with several stages other cards hold less.
    """
    if gpus is None or report.budget_bytes is None or report.weights_bytes is None:
        return ()
    used = report.tensor_parallel_size * report.pipeline_parallel_size * report.data_parallel_size
    return tuple(_split_card(report, report.weights_bytes, complete_gpu(gpu)) for gpu in gpus[:used])


def _split_card(report: FitReport, weights_bytes: int, gpu: Gpu) -> CardMemory:
    overhead = (
        report.activation_bytes,
        report.non_torch_bytes,
        report.cuda_graph_bytes,
        report.context_bytes,
    )
    sizes = {
        MemoryKind.OTHERS: 0 if gpu.free_bytes is None else max(0, gpu.total_bytes - gpu.free_bytes),
        MemoryKind.WEIGHTS: weights_bytes,
        MemoryKind.WORKING: sum(size or 0 for size in overhead),
        MemoryKind.KV_CACHE: max(0, report.kv_cache_bytes or 0),
    }
    sizes[MemoryKind.FREE] = max(0, gpu.total_bytes - sum(sizes.values()))
    parts = tuple(MemoryPart(kind, sizes[kind]) for kind in MemoryKind)
    return CardMemory(gpu.name, gpu.total_bytes, parts, _bound(report.band), report.kv_bytes_per_request)


def _bound(band: Band | None) -> Band | None:
    return None if band is None else Band(max(0, band.low_bytes), max(0, band.high_bytes))

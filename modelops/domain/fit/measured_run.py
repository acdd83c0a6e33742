"""A start that went well, as evidence for the next fit check of these settings on this kind of card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from gateway.wording import fill_in
from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.fit.budget import Budget, compute_budget
from modelops.domain.fit.correction import Correction
from modelops.domain.fit.engine_defaults import EngineTraits, parse_version
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.report import FitReport
from modelops.domain.fit.specs import GIB, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.weights import WeightsEstimate
from modelops.domain.profiles.setting import list_settings, to_plain
from modelops.domain.profiles.spec import ProfileSpec

_ROUNDING_BYTES = int(0.005 * GIB) + 1
"""Logs print hundredths of a GiB."""

_COMPUTED_ANEW = frozenset({"tensor_parallel_size", "max_model_len", "gpu_memory_utilization"})
"""Settings that decide memory too, but need not be the same in both starts: `MeasuredRun` keeps what `auto`
was resolved to for the first, and the formulas allow for another context and another share of the card."""


COMPARED_SIZES: Mapping[str, str] = {
    "weights_bytes": "weights_bytes",
    "activation_bytes": "activation_bytes",
    "non_torch_bytes": "non_torch_bytes",
    "cuda_graph_bytes": "graph_bytes",
    "kv_cache_bytes": "available_kv_bytes",
    "kv_cache_tokens": "kv_cache_tokens",
    "max_concurrency": "max_concurrency",
}
"""What an estimate calls it (`FitReport`), and what the engine's log does (`EngineSizes`)."""


@dataclass(frozen=True)
class MeasuredRun:
    """`settings` are what it ran with: tensor parallel size and context resolved."""

    source: str
    """Which start it was, in words."""
    gpu_name: str
    settings: EngineSettings
    sizes: EngineSizes

    def describes(self, settings: EngineSettings, gpu: Gpu) -> bool:
        """Whether its sizes are those of `settings`, whatever context and share of the card these ask for."""
        return is_same_card(self.gpu_name, gpu.name) and _strip(settings) == _strip(self.settings)

    def find_version(self, asked: str | None) -> str | None:
        """The engine's version: what its log said where the image's tag says nothing ("latest")."""
        return asked if parse_version(asked) else self.sizes.vllm_version or asked

    def find_weights(self) -> WeightsEstimate | None:
        """Its weights, for a model whose layout is not understood; None where stages may differ."""
        size = self.sizes.weights_bytes
        if size is None or self.settings.pipeline_parallel_size > 1:
            return None
        return WeightsEstimate((size,), fill_in("engine's log"), False)


def to_measured_run(
    settings: EngineSettings,
    values: Mapping[str, Any],
    ran: Mapping[str, Any],
    sizes: EngineSizes,
    **start: str,
) -> MeasuredRun | None:
    """A start as evidence for a profile, or None where it ran with other settings than the profile has now.

    `settings` and `values` are the profile's (`to_engine_settings`, `to_values`), `ran` the values it had at
    that start; `start` gives `source` and `gpu_name`.
    """
    if differs_in_memory(values, ran):
        return None
    flags = ran.get("extra_flags") or {}
    length = sizes.max_model_len or ran.get("max_model_len")
    size = sizes.tensor_parallel_size or ran.get("tensor_parallel_size")
    if size is None:
        return None
    as_run = replace(
        settings,
        tensor_parallel_size=size,
        max_model_len=length,
        is_max_model_len_auto=length is None,
        gpu_memory_utilization=ran.get("gpu_memory_utilization"),
        kv_cache_memory_bytes=flags.get("kv-cache-memory-bytes"),
    )
    return MeasuredRun(settings=as_run, sizes=sizes, **start)


def differs_in_memory(values: Mapping[str, Any], ran: Mapping[str, Any]) -> bool:
    """Whether two starts take different memory by their settings.

    A value that is missing is the default: the setting did not exist yet when that engine was started.
    """
    defaults = {
        each.name: to_plain(each.default)
        for each in list_settings(ProfileSpec)
        if each.decides_memory and each.name not in _COMPUTED_ANEW
    }
    return any(values.get(name, default) != ran.get(name, default) for name, default in defaults.items())


def is_same_card(first: str, second: str) -> bool:
    """Two names of one kind of card; drivers and people write them differently."""
    known = find_card(first), find_card(second)
    return known[0] == known[1] if all(known) else first.casefold() == second.casefold()


def find_correction(
    run: MeasuredRun, model: ModelArchitecture, weights: WeightsEstimate, gpu: Gpu, traits: EngineTraits
) -> Correction:
    """The formulas at the run's own settings against what it measured.

    The KV cache that was left over closes the sum: what no other term explains goes to what is outside
    PyTorch, so that the check of the same settings gives the same cache.
    """
    sizes = run.sizes
    computed = compute_budget(model, run.settings, weights, gpu, traits)
    graphs = sizes.graph_estimate_bytes if computed.settings.counts_graphs else sizes.graph_bytes
    correction = Correction(
        weights_bytes=_differ(sizes.weights_bytes, max(weights.stage_bytes)),
        activation_bytes=_differ(sizes.activation_bytes, computed.activation_bytes),
        non_torch_bytes=_differ(sizes.non_torch_bytes, computed.non_torch_bytes),
        cuda_graph_bytes=_differ(graphs, computed.cuda_graph_bytes),
        most_context_bytes=max(0, gpu.total_bytes - computed.requested_bytes),
    )
    cache = _find_cache(computed, sizes, traits)
    if cache is None or run.settings.kv_cache_memory_bytes is not None:
        return correction
    kv_cache_bytes, block_bytes = cache
    corrected = compute_budget(model, run.settings, weights, gpu, traits, correction)
    unexplained = corrected.tightest.kv_cache_bytes - kv_cache_bytes
    outside = max(unexplained, -corrected.non_torch_bytes)
    return replace(
        correction,
        non_torch_bytes=correction.non_torch_bytes + outside,
        activation_bytes=correction.activation_bytes + unexplained - outside,
        block_bytes=block_bytes,
        is_complete=True,
    )


def serialise_estimate(report: FitReport) -> dict[str, Any]:
    """What the check expected of a start, to be compared with what it measures; what it did not say is left
    out."""
    values = {name: getattr(report, name) for name in (*COMPARED_SIZES, "max_model_len", "calibrated_from")}
    return {name: value for name, value in values.items() if value is not None}


def name_as_estimate(actual: Mapping[str, Any]) -> dict[str, Any]:
    """What a start measured (`serialise_sizes`) under the names of its estimate; None for what it did not."""
    return {name: actual.get(measured) for name, measured in COMPARED_SIZES.items()}


def _find_cache(budget: Budget, sizes: EngineSizes, traits: EngineTraits) -> tuple[int, int | None] | None:
    """The KV cache in bytes, to the block where tokens were printed; and bytes per block where the layout
    cannot be right, for it does not give these tokens."""
    available, layout = sizes.available_kv_bytes, budget.tightest.layout
    blocks = _count_blocks(budget, sizes, traits)
    if blocks is None or layout.block_bytes <= 0:
        return None if available is None else (available, None)
    least, most = blocks * layout.block_bytes, (blocks + 1) * layout.block_bytes - 1
    if available is None:
        return least, None
    if least - _ROUNDING_BYTES <= available <= most + _ROUNDING_BYTES:
        return min(max(available, least), most), None
    return available, max(1, available // blocks)


def _count_blocks(budget: Budget, sizes: EngineSizes, traits: EngineTraits) -> int | None:
    """How many blocks the printed tokens stand for; None where it is unknown: pipeline stages differ."""
    layout, tokens = budget.tightest.layout, sizes.kv_cache_tokens
    if not tokens or layout.is_empty or len(budget.stages) > 1:
        return None
    if traits.era.reports_request_tokens:
        length = budget.settings.max_model_len
        return ceil(tokens * max(1, layout.count_request_blocks(length)) / length)
    return tokens // layout.min_block_tokens * max(1, layout.group_count)


def _strip(settings: EngineSettings) -> EngineSettings:
    """All but what the formulas allow for, and a version that nobody said."""
    return replace(
        settings,
        max_model_len=None,
        is_max_model_len_auto=False,
        gpu_memory_utilization=None,
        kv_cache_memory_bytes=None,
        vllm_version=None if settings.is_version_seen else settings.vllm_version,
        is_version_seen=False,
    )


def _differ(measured: int | None, computed: int) -> int:
    return 0 if measured is None else measured - computed

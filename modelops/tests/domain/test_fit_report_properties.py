"""What a report must hold of itself, and against a report for more memory or a longer context."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.tests.budgets import examples
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.check import check_fit
from modelops.domain.fit.divisibility import find_parallel_problems
from modelops.domain.fit.quantization import parse_quantization
from modelops.domain.fit.report import MORE_GPUS, Aim, FitReport, Verdict
from modelops.domain.fit.specs import GIB, EngineSettings, Gpu, ModelArchitecture
from modelops.tests.domain.fit_examples import (
    make_config,
    make_hybrid_config,
    make_latent_config,
    make_moe_config,
    make_sliding_config,
    make_vision_config,
)

CONFIGS = (
    make_config(),
    make_config(quantization_config={"quant_method": "awq", "bits": 4, "group_size": 128}),
    make_config(quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]}),
    make_moe_config(),
    make_latent_config(),
    make_hybrid_config(),
    make_sliding_config(),
    make_vision_config(),
)
VERSIONS = (None, "0.6.3", "0.8.3", "0.9.0", "0.11.0", "0.12.0", "0.17.0", "0.20.0", "0.27.1", "0.33.0")
ORDER = (Verdict.FITS, Verdict.TIGHT, Verdict.DOES_NOT_FIT)


@dataclass(frozen=True)
class Case:
    model: ModelArchitecture
    settings: EngineSettings
    total_bytes: int
    free_bytes: int | None

    def assess(self, **changes: Any) -> FitReport:
        """With another `total_bytes`, `free_bytes` or setting. The card is none of those known by name."""
        card = {"total_bytes": self.total_bytes, "free_bytes": self.free_bytes}
        sizes = {name: changes.pop(name, size) for name, size in card.items()}
        gpu = Gpu("Card", compute_capability=(8, 6), **sizes)
        asked = replace(self.settings, **changes)
        return assess_fit(self.model, asked, (gpu,) * asked.gpu_count)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    config = {**draw(st.sampled_from(CONFIGS)), "num_hidden_layers": draw(st.sampled_from([8, 24, 48]))}
    flag = draw(st.sampled_from([None, "fp8"])) if "quantization_config" not in config else None
    ranks, stages = draw(st.sampled_from([(1, 1), (2, 1), (1, 2), (4, 2)]))
    model = parse_architecture(config, flag)
    assume(not find_parallel_problems(model, ranks, stages))
    asked = EngineSettings(
        tensor_parallel_size=ranks,
        pipeline_parallel_size=stages,
        max_model_len=draw(st.integers(1, model.max_positions or 8192)),
        gpu_memory_utilization=draw(st.sampled_from([None, 0.5, 0.9, 0.97])),
        # Given, for their defaults grow with the card, and those of old engines shrink for long contexts.
        max_num_seqs=draw(st.sampled_from([1, 16, 256])),
        max_num_batched_tokens=draw(st.sampled_from([512, 2048, 8192])),
        kv_cache_dtype=draw(st.sampled_from(["auto", "fp8"])),
        enforce_eager=draw(st.booleans()),
        vllm_version=draw(st.sampled_from(VERSIONS)),
    )
    total = draw(st.integers(6 * GIB, 96 * GIB))
    return Case(model, asked, total, draw(st.sampled_from([None, total, total * 19 // 20, total // 2])))


@given(cases(), st.sampled_from([None, None, GIB]))
@settings(max_examples=examples(160), deadline=None)
def test_figures_of_a_report_add_up_to_the_byte(case: Case, given_cache: int | None) -> None:
    report = case.assess(kv_cache_memory_bytes=given_cache)

    cache, budget, band = report.kv_cache_bytes, report.budget_bytes, report.band
    assert cache is not None and budget is not None and band is not None
    terms = (
        report.weights_bytes,
        report.activation_bytes,
        report.non_torch_bytes,
        report.reserved_graph_bytes,
    )
    assert sum(size or 0 for size in terms) + cache + (report.unassigned_bytes or 0) == budget
    assert min(size or 0 for size in terms) >= 0
    assert given_cache is not None or report.unassigned_bytes == 0
    assert band.low_bytes <= cache <= band.high_bytes
    if report.first_start_kv_cache_bytes is not None:
        assert band.low_bytes <= report.first_start_kv_cache_bytes <= cache
    assert report.count_sure_requests(1000) <= report.count_requests(1000)


@given(cases(), st.integers(1, 40 * GIB))
@settings(max_examples=examples(160), deadline=None)
def test_more_memory_never_makes_a_verdict_worse(case: Case, more: int) -> None:
    free = case.free_bytes

    less = case.assess()
    larger = case.assess(
        total_bytes=case.total_bytes + more, free_bytes=None if free is None else free + more
    )
    emptier = case.assess(free_bytes=None)

    assert ORDER.index(larger.verdict) <= ORDER.index(less.verdict)
    assert ORDER.index(emptier.verdict) <= ORDER.index(less.verdict)
    assert (larger.max_model_len_that_fits or 0) >= (less.max_model_len_that_fits or 0)


@given(cases(), st.integers(1, 131072))
@settings(max_examples=examples(160), deadline=None)
def test_longer_context_never_raises_concurrency_nor_makes_a_verdict_better(case: Case, other: int) -> None:
    positions = case.model.max_positions or 8192
    shorter, longer = sorted((case.settings.max_model_len or 1, min(other, positions)))

    short, long = case.assess(max_model_len=shorter), case.assess(max_model_len=longer)

    assert short.max_concurrency is not None and long.max_concurrency is not None
    assert long.max_concurrency <= short.max_concurrency
    assert long.count_sure_requests(longer) <= short.count_sure_requests(shorter)
    assert ORDER.index(short.verdict) <= ORDER.index(long.verdict)


@given(cases(), st.sampled_from(list(Aim)))
@settings(max_examples=examples(40), deadline=None)
def test_suggestions_lead_where_they_say_with_no_more_of_a_card_than_was_free(case: Case, aim: Aim) -> None:
    gpu = Gpu("Card", case.total_bytes, case.free_bytes, (8, 6))
    report = check_fit(case.model, case.settings, (gpu,) * case.settings.gpu_count, aim=aim)

    for offer in report.suggestions:
        method = None if offer.quantization else offer.settings.quantization
        quantization = offer.quantization or (parse_quantization({}, method) if method else None)
        model = replace(case.model, quantization=quantization) if quantization else case.model
        cards = (replace(gpu, free_bytes=None) if offer.kind == MORE_GPUS else gpu,) * offer.gpu_count
        outcome = assess_fit(model, offer.settings, cards)
        assert outcome.verdict is offer.verdict
        assert (outcome.max_model_len, outcome.max_concurrency) == (
            offer.max_model_len,
            offer.max_concurrency,
        )
        share = dict(offer.changes).get("gpu_memory_utilization", 0)
        free = case.total_bytes if case.free_bytes is None else case.free_bytes
        assert float(share) * case.total_bytes <= free

"""What starts of other models tell of a card, and what the fit check makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tests.budgets import examples
from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.calibration import COLD_COMPILE_BYTES
from modelops.domain.fit.card_starts import CardStart
from modelops.domain.fit.evidence import read_card_start
from modelops.domain.fit.learnt_terms import Sought, learn_terms
from modelops.domain.fit.measured_run import MeasuredRun
from modelops.domain.fit.report import Verdict
from modelops.domain.fit.report_text import list_memory_lines
from modelops.domain.fit.specs import GIB, EngineSettings, Gpu
from modelops.tests.domain.fit_examples import make_gpu, make_hybrid_config, make_model

ASKED = EngineSettings(
    vllm_version="v0.33.0", tensor_parallel_size=2, max_model_len=4096, gpu_memory_utilization=0.9
)
RESERVED = (True, False, False)
SOUGHT = Sought((0, 33, 0), "v0.33.0", False, (2, 1, 1), RESERVED)


def make_start(number: int = 1, **changes: Any) -> CardStart:
    plain = CardStart(f"slot-{number}", True, (0, 33, 1), "v0.33.1", False, (2, 1, 1), graph_kind=RESERVED)
    return replace(plain, **changes)


def pair(*starts: CardStart) -> tuple[Gpu, ...]:
    return (replace(make_gpu(), starts=starts),) * 2


def test_a_term_is_the_median_of_the_newest_starts_and_names_them() -> None:
    sizes = [0.52, 0.50, 3.9, 0.51, 0.50, 9.0, 0.1]
    starts = [make_start(n, non_torch_bytes=int(size * GIB)) for n, size in enumerate(sizes)]

    term = learn_terms(starts, SOUGHT).non_torch_bytes

    # 9 GiB is what no engine takes outside PyTorch, and 3.9 one start of five.
    assert term is not None and term.value == int(0.51 * GIB)
    assert term.sources == ("slot-0", "slot-1", "slot-2", "slot-3", "slot-4")
    assert term.error < 0.1 * GIB


@pytest.mark.parametrize(
    "change",
    [
        {"version": (0, 32, 0)},
        {"version": None},
        {"split": (1, 1, 1)},
        {"split": (1, 2, 1)},
        {"is_v0": True},
    ],
)
def test_starts_of_other_engines_teach_nothing(change: dict[str, Any]) -> None:
    start = make_start(non_torch_bytes=GIB, context_bytes=GIB, graph_ratio=2.0, compile_bytes=GIB, **change)

    assert assess_fit(make_model(), ASKED, pair(start)) == assess_fit(make_model(), ASKED, pair())


def test_graphs_of_another_kind_are_not_compared() -> None:
    hybrid = make_start(graph_ratio=6.0, graph_kind=(True, True, False))

    assert learn_terms([hybrid], SOUGHT).graph_ratio is None
    assert learn_terms([hybrid], replace(SOUGHT, graph_kind=(True, True, False))).graph_ratio is not None


def test_an_image_without_a_version_learns_of_the_newest_that_its_tag_had() -> None:
    sought = replace(SOUGHT, version=None, tag="latest")
    newest = make_start(2, tag="latest", non_torch_bytes=GIB // 2)
    older = make_start(1, tag="latest", version=(0, 30, 0), non_torch_bytes=GIB)

    term = learn_terms([newest, older, make_start(3, non_torch_bytes=GIB)], sought).non_torch_bytes

    assert term is not None and term.sources == ("slot-2",)


def test_the_check_of_another_model_goes_by_what_was_measured_and_says_so() -> None:
    terms = {"non_torch_bytes": GIB // 2, "context_bytes": GIB, "graph_ratio": 1.5, "compile_bytes": GIB // 4}
    before = assess_fit(make_model(), ASKED, pair())

    after = assess_fit(make_model(), ASKED, pair(*(make_start(n, **terms) for n in range(3))))

    assert before.band is not None and after.band is not None and before.cuda_graph_bytes is not None
    assert (after.non_torch_bytes, after.context_bytes) == (GIB // 2, GIB)
    assert after.cuda_graph_bytes == pytest.approx(1.5 * before.cuda_graph_bytes, abs=2)
    assert after.kv_cache_bytes is not None and after.first_start_kv_cache_bytes is not None
    assert after.kv_cache_bytes - after.first_start_kv_cache_bytes == GIB // 4
    assert after.weights_bytes == before.weights_bytes and after.activation_bytes == before.activation_bytes
    assert after.band.high_bytes - after.band.low_bytes < 0.7 * (
        before.band.high_bytes - before.band.low_bytes
    )
    notes = {line.label: line.note for line in list_memory_lines(after)}
    assert notes["outside PyTorch"].endswith("measured on this box: 3 starts, the last was slot-0")
    assert "measured" not in notes["weights"]


def test_what_one_start_found_gone_of_the_card_may_be_somebody_elses() -> None:
    usual = assess_fit(make_model(), ASKED, pair()).context_bytes
    more, less = 2 * GIB, GIB // 2

    contexts = [
        assess_fit(
            make_model(), ASKED, pair(*(make_start(n, context_bytes=size) for n, size in enumerate(sizes)))
        )
        for sizes in ([more], [more] * 3, [more, less])
    ]

    assert [each.context_bytes for each in contexts] == [usual, more, less]
    assert [len(each.learnt) for each in contexts] == [0, 1, 1]


def test_a_start_of_the_same_settings_counts_more_than_those_of_others() -> None:
    run = MeasuredRun(
        "own", "RTX 3090", ASKED, EngineSizes(weights_bytes=8 * GIB, available_kv_bytes=9 * GIB)
    )
    others = [
        make_start(n, non_torch_bytes=2 * GIB, graph_ratio=3.0, compile_bytes=GIB // 2) for n in range(3)
    ]

    report = assess_fit(make_model(), ASKED, pair(*others), measured=run)

    assert (report.kv_cache_bytes, report.first_start_kv_cache_bytes) == (9 * GIB, int(8.5 * GIB))
    assert [each.figure for each in report.learnt] == ["first_start_kv_cache_bytes"]


def test_after_a_start_that_compiled_later_ones_may_have_more_and_none_has_less() -> None:
    told = EngineSizes(weights_bytes=8 * GIB, available_kv_bytes=9 * GIB)
    warm, cold = (
        assess_fit(
            make_model(),
            ASKED,
            pair(),
            measured=MeasuredRun("own", "RTX 3090", ASKED, replace(told, is_cold=state)),
        )
        for state in (False, True)
    )

    assert warm.band is not None and cold.band is not None
    assert cold.first_start_kv_cache_bytes is None
    assert warm.first_start_kv_cache_bytes == 9 * GIB - COLD_COMPILE_BYTES
    assert cold.band.low_bytes == warm.band.low_bytes
    assert cold.band.high_bytes == warm.band.high_bytes + COLD_COMPILE_BYTES


@given(
    st.integers(0, 5 * GIB),
    st.floats(0.01, 20.0),
    st.integers(0, 5 * GIB),
    st.integers(1024, 120_000),
    st.integers(1, 2),
)
@settings(max_examples=examples(60), deadline=None)
def test_one_or_two_odd_starts_refuse_nothing_and_let_nothing_pass(
    outside: int, ratio: float, context: int, length: int, count: int
) -> None:
    model, asked = make_model(max_position_embeddings=131072), replace(ASKED, max_model_len=length)
    odd = [
        make_start(n, non_torch_bytes=outside, graph_ratio=ratio, context_bytes=context) for n in range(count)
    ]
    before = assess_fit(model, asked, pair())

    after = assess_fit(model, asked, pair(*odd))

    wrong = {Verdict.FITS: Verdict.DOES_NOT_FIT, Verdict.DOES_NOT_FIT: Verdict.FITS}
    assert after.verdict is not wrong.get(before.verdict)


def test_a_start_is_read_with_the_graphs_that_the_formula_gives_for_it() -> None:
    told = EngineSizes(
        vllm_version="0.33.1",
        card_total_bytes=int(23.57 * GIB),
        start_free_bytes=int(23.1 * GIB),
        non_torch_bytes=GIB // 2,
        graph_estimate_bytes=GIB,
    )

    start = read_card_start(make_model(), ASKED, told, make_gpu(), source="slot-1", is_here=True)

    graphs = assess_fit(make_model(), ASKED, pair()).cuda_graph_bytes
    assert start is not None and graphs is not None
    assert (start.version, start.non_torch_bytes, start.graph_kind) == ((0, 33, 1), GIB // 2, RESERVED)
    assert start.graph_ratio == pytest.approx(GIB / graphs)
    assert start.context_bytes == pytest.approx(0.47 * GIB, abs=0.011 * GIB)
    assert start.most_context_bytes == pytest.approx(0.1 * 23.6 * GIB, abs=0.011 * GIB)


@pytest.mark.parametrize("told", [{"is_wsl": True}, {"card_total_bytes": 48 * GIB}])
def test_windows_and_cards_of_another_size_are_nothing_to_go_by(told: dict[str, Any]) -> None:
    sizes = EngineSizes(vllm_version="0.33.1", non_torch_bytes=GIB, **told)

    assert read_card_start(make_model(), ASKED, sizes, make_gpu(), source="s", is_here=True) is None


def test_a_share_in_bytes_proves_nothing_of_what_was_free() -> None:
    ran = replace(ASKED, kv_cache_memory_bytes=GIB)
    hybrid = make_model(**make_hybrid_config())

    start = read_card_start(hybrid, ran, EngineSizes(), make_gpu(), source="s", is_here=True)

    assert start is not None and start.most_context_bytes is None
    assert start.graph_kind == (True, True, False)

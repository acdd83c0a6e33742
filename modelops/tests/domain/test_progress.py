"""How far a start is said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelops.domain.engine_log.progress import STALL_TIMEOUT_S, Progress, estimate
from modelops.domain.engine_log.startup_log import ORDER, Phase

COLD = {
    "boot": 30.0,
    "distributed": 10.0,
    "download": 5.0,
    "weights": 60.0,
    "compile": 166.0,
    "profile": 131.0,
    "kv_cache": 3.0,
    "graphs": 90.0,
    "done": 5.0,
}

seconds = st.floats(0, 3000, allow_nan=False)
starts = st.dictionaries(st.sampled_from([str(phase) for phase in Phase]), seconds)
histories = st.lists(starts, max_size=7)
percentages = st.none() | st.floats(0, 100)
moments = st.tuples(st.sampled_from(list(Phase)), percentages, seconds)


def test_every_phase_has_a_time_out_longer_than_any_silence_that_was_seen() -> None:
    seen = {Phase.COMPILE: 166, Phase.PROFILE: 131, Phase.GRAPHS: 90, Phase.WEIGHTS: 63}

    assert set(STALL_TIMEOUT_S) == set(Phase)
    assert all(STALL_TIMEOUT_S[phase] >= 3 * silence for phase, silence in seen.items())


def test_first_start_has_a_percentage_and_no_promise() -> None:
    progress = estimate(Phase.COMPILE, None, 20.0)

    assert 0 < progress.percent < 100
    assert progress.remaining_s is None


def test_later_start_goes_by_what_earlier_ones_took() -> None:
    progress = estimate(Phase.COMPILE, None, 66.0, [COLD])

    assert progress == Progress(percent=int(100 * (105 + 66) / 500), remaining_s=329.0)


def test_counted_work_beats_the_clock() -> None:
    slow_disk = estimate(Phase.WEIGHTS, 25.0, 100.0, [COLD])

    assert slow_disk.remaining_s == pytest.approx(395 + 300)


def test_one_slow_start_among_many_does_not_count() -> None:
    with_download = COLD | {"download": 1200.0}

    assert estimate(Phase.BOOT, None, 0.0, [with_download, COLD, COLD]).remaining_s == pytest.approx(500.0)


def test_only_the_newest_starts_count() -> None:
    ancient = {name: 10 * value for name, value in COLD.items()}

    assert estimate(Phase.BOOT, None, 0.0, [COLD] * 5 + [ancient] * 50).remaining_s == pytest.approx(500.0)


def test_overdue_phase_promises_a_little_more_and_never_ends_by_itself() -> None:
    progress = estimate(Phase.DONE, None, 500.0, [COLD])

    assert progress == Progress(99, 50.0)


def test_complete_start_is_at_one_hundred() -> None:
    assert estimate(Phase.DONE, 100.0, 1.0, [COLD]) == Progress(100, 0.0)


@given(moments, histories)
def test_estimates_stay_within_their_bounds(
    moment: tuple[Phase, float | None, float], history: list[dict[str, float]]
) -> None:
    progress = estimate(*moment, history)

    assert 0 <= progress.percent <= 100
    assert (progress.remaining_s is None) == (not any(sum(start.values()) > 0 for start in history[:5]))
    assert progress.remaining_s is None or progress.remaining_s >= 0


@given(st.lists(moments, min_size=2, max_size=12), histories)
def test_percentage_never_goes_back_while_the_start_goes_forward(
    steps: list[tuple[Phase, float | None, float]], history: list[dict[str, float]]
) -> None:
    steps.sort(key=lambda step: (ORDER[step[0]], step[2]))
    highest: dict[Phase, float] = {}
    told = []
    for phase, percent, elapsed_s in steps:
        if percent is not None:
            highest[phase] = max(percent, highest.get(phase, 0.0))
        told.append(estimate(phase, highest.get(phase), elapsed_s, history).percent)

    assert told == sorted(told)


@given(histories, st.floats(0, 1000), st.floats(0, 1000))
def test_time_alone_never_ends_a_start(history: list[dict[str, float]], first: float, second: float) -> None:
    earlier, later = sorted((first, second))

    assert estimate(Phase.GRAPHS, None, earlier, history).percent <= 99
    assert (
        estimate(Phase.GRAPHS, None, earlier, history).percent
        <= estimate(Phase.GRAPHS, None, later, history).percent
    )

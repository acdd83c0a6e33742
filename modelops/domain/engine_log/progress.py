"""How far a start is, how long it will take, and when it counts as hung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import median

from modelops.domain.engine_log.startup_log import ORDER, Phase

STALL_TIMEOUT_S: Mapping[Phase, float] = {
    # Importing torch and vLLM from a cold disk takes minutes, and prints nothing.
    Phase.BOOT: 300.0,
    # A handshake of seconds; measuring peer access between many cards takes up to a minute. NCCL that
    # hangs, hangs for ever.
    Phase.DISTRIBUTED: 240.0,
    # A download shows no sign at all: 140 GB at 50 MB/s are 47 minutes.
    Phase.DOWNLOAD: 3600.0,
    # Each shard is a sign: 5 GB from a slow network disk take minutes, and so does repacking them at the end.
    Phase.WEIGHTS: 600.0,
    # 166 s were seen for a 13 GiB model on two cards, and large ones take several times that.
    Phase.COMPILE: 900.0,
    # 131 s were seen, silent; kernels compiled on first use come on top.
    Phase.PROFILE: 900.0,
    # Laying it out takes a second, but some kernels are tuned here, for minutes.
    Phase.KV_CACHE: 600.0,
    # 90 s were seen; each captured size is a sign.
    Phase.GRAPHS: 600.0,
    # Chat template, processors, routes: seconds.
    Phase.DONE: 300.0,
}
"""Seconds without a sign of life (`StartupLog.changed_at`) after which a start counts as hung, by phase.

One time-out for the whole start would be either too short for a large model or too long for a hung one.
"""

PHASE_HISTORY_STARTS = 5
"""How many of a profile's earlier starts an estimate is made from."""

_SHARES: Mapping[Phase, float] = {
    Phase.BOOT: 40.0,
    Phase.DISTRIBUTED: 15.0,
    Phase.DOWNLOAD: 20.0,
    Phase.WEIGHTS: 65.0,
    Phase.COMPILE: 165.0,
    Phase.PROFILE: 130.0,
    Phase.KV_CACHE: 15.0,
    Phase.GRAPHS: 90.0,
    Phase.DONE: 15.0,
}
"""Seconds of one cold start of 13 GiB on two cards, which is all there is to go by at a first start."""

_ON_TIME = 0.8
_OVERDUE_SHARE = 0.1
_TELLING_PERCENT = 5.0


@dataclass(frozen=True)
class Progress:
    """`remaining_s` is None where this profile's history says nothing."""

    percent: int
    remaining_s: float | None = None


def estimate(
    phase: Phase,
    phase_percent: float | None,
    phase_elapsed_s: float,
    history: Sequence[Mapping[str, float]] = (),
) -> Progress:
    """How far the start is. `history` has the phase seconds of this profile's earlier starts, newest first.

    The percentage never goes back while phase, its percentage and its time go forward; 100 is only for a
    start that is complete.
    """
    known = [start for start in history[:PHASE_HISTORY_STARTS] if sum(start.values()) > 0]
    expected = _expect(known) if known else _SHARES
    total = sum(expected.values())
    before = sum(expected[each] for each in Phase if ORDER[each] < ORDER[phase])
    fraction = max((phase_percent or 0.0) / 100, _guess_fraction(phase_elapsed_s, expected[phase]))
    percent = int(100 * (before + min(1.0, fraction) * expected[phase]) / total)
    if phase is Phase.DONE and phase_percent == 100.0:
        return Progress(100, 0.0)
    after = total - before - expected[phase]
    remaining = after + _guess_rest(phase_percent, phase_elapsed_s, expected[phase]) if known else None
    return Progress(max(0, min(99, percent)), None if remaining is None else round(max(0.0, remaining), 1))


def _expect(history: Sequence[Mapping[str, float]]) -> dict[Phase, float]:
    """Medians, so that one slow start (a download, a cold cache) does not count; a phase not seen took 0 s.

    Where every phase's median is 0, no two starts had a phase in common, and the newest one counts.
    """
    medians = {phase: median(max(0.0, start.get(phase, 0.0)) for start in history) for phase in Phase}
    if sum(medians.values()) > 0:
        return medians
    return {phase: max(0.0, history[0].get(phase, 0.0)) for phase in Phase}


def _guess_fraction(elapsed_s: float, expected_s: float) -> float:
    """How much of a phase its time alone stands for: in proportion at first, then ever slower, never all."""
    if expected_s <= 0:
        return 0.0
    share = max(0.0, elapsed_s) / expected_s
    if share <= _ON_TIME:
        return share
    left = 1 - _ON_TIME
    return 1 - left * exp(-(share - _ON_TIME) / left)


def _guess_rest(percent: float | None, elapsed_s: float, expected_s: float) -> float:
    """Seconds that the phase still takes; an overdue one, a tenth of what it has taken."""
    if percent is not None and percent >= _TELLING_PERCENT:
        return elapsed_s * (100 - percent) / percent
    return max(expected_s - elapsed_s, _OVERDUE_SHARE * elapsed_s)

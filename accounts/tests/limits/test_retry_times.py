"""Requests that were too many at a time come back one after the other, as fast as answers end."""

from __future__ import annotations

import itertools
import uuid

import pytest

from accounts.limits import retry_times
from accounts.limits.retry_times import LONGEST_WAIT_S, MARGIN, SHORTEST_ANSWER_S, USUAL_ANSWER_S, RetryTimes
from accounts.limits.rules import Rule, Rules
from accounts.limits.store import AnswerLease
from accounts.models import LimitKind

PLACES = 8
RULE = Rule(LimitKind.STREAMS, "account:a", PLACES, 0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def times(clock: Clock) -> RetryTimes:
    return RetryTimes(clock)


def start(times: RetryTimes, count: int = PLACES, rules: Rules = (RULE,)) -> list[AnswerLease]:
    leases = [AnswerLease(str(uuid.uuid4()), rules) for _ in range(count)]
    for lease in leases:
        times.note_start(lease)
    return leases


def learn(times: RetryTimes, clock: Clock, answer_s: float) -> None:
    """Many answers that took so long."""
    for _ in range(40):
        (lease,) = start(times, 1)
        clock.now += answer_s
        times.note_end(lease)


def test_first_comes_when_an_answer_should_end_and_the_others_behind_it(
    times: RetryTimes, clock: Clock
) -> None:
    learn(times, clock, 1.6)
    start(times)

    waits = [times.next_wait(RULE) for _ in range(42)]

    assert waits[0] == pytest.approx(1.6, rel=0.01)
    steps = [later - earlier for earlier, later in itertools.pairwise(waits)]
    assert steps == pytest.approx([MARGIN * 1.6 / PLACES] * 41, rel=0.01)


def test_nothing_known_is_an_answer_of_usual_length(times: RetryTimes) -> None:
    assert times.next_wait(RULE) == USUAL_ANSWER_S


def test_answers_that_run_for_long_are_no_short_ones(times: RetryTimes, clock: Clock) -> None:
    learn(times, clock, 0.5)
    start(times)
    clock.now += 10

    assert times.next_wait(RULE) == pytest.approx(10)


def test_burst_is_not_reckoned_with_the_shortest_answers_of_before(times: RetryTimes, clock: Clock) -> None:
    learn(times, clock, 0.05)

    assert times.next_wait(RULE) == SHORTEST_ANSWER_S


def test_nobody_is_sent_away_for_longer_than_sdks_wait(times: RetryTimes, clock: Clock) -> None:
    learn(times, clock, 30.0)
    start(times, 1)

    waits = [times.next_wait(RULE) for _ in range(10)]

    assert max(waits) == LONGEST_WAIT_S
    assert waits == sorted(waits)


def test_rules_do_not_share_their_lines(times: RetryTimes) -> None:
    for _ in range(100):
        times.next_wait(RULE)

    assert times.next_wait(RULE._replace(key="account:b")) == USUAL_ANSWER_S


def test_line_begins_anew_when_all_of_it_have_come_back(times: RetryTimes, clock: Clock) -> None:
    learn(times, clock, 1.0)
    waits = [times.next_wait(RULE) for _ in range(5)]
    clock.now += waits[-1] + 10

    assert times.next_wait(RULE) == pytest.approx(1.0, rel=0.01)


def test_rules_without_a_running_answer_are_forgotten_when_there_are_many(
    times: RetryTimes, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry_times, "KNOWN_LINES", 2)
    learn(times, clock, 9.0)
    other, third = (Rule(LimitKind.STREAMS, f"account:{name}", PLACES, 0) for name in "bc")
    start(times, rules=(other,))
    clock.now += 30

    start(times, rules=(third,))

    assert times.next_wait(RULE) == pytest.approx(USUAL_ANSWER_S)
    assert times.next_wait(other) == pytest.approx(30.0)

"""When a slot goes to rest, what keeps it from that, and that no request is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelops.domain.switching.resting import (
    LONGEST_CLOSING_S,
    IdleWatch,
    RestObservation,
    RestState,
    RestStep,
    next_rest_step,
)
from modelops.domain.switching.states import WorkloadStatus

W = WorkloadStatus
IDLE = RestObservation(engine=W.RUNNING, is_idle=True)
CLOSING = RestObservation(state=RestState.CLOSING, engine=W.RUNNING, is_drained=True)
STOPPING = RestObservation(state=RestState.LEAVING, engine=W.RUNNING)
SLEEPING = replace(STOPPING, sleeps=True)
RESTING = RestObservation(state=RestState.RESTING)


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (IDLE, RestStep.CLOSE),
        (replace(IDLE, is_idle=False), RestStep.NOTHING),
        (replace(IDLE, is_busy=True), RestStep.NOTHING),
        (replace(IDLE, has_waiting=True), RestStep.NOTHING),
        (replace(IDLE, engine=W.UNKNOWN), RestStep.NOTHING),
        (CLOSING, RestStep.LEAVE),
        (replace(CLOSING, is_drained=False), RestStep.WAIT),
        (replace(CLOSING, is_wake_asked=True), RestStep.REOPEN),
        (replace(CLOSING, is_busy=True), RestStep.REOPEN),
        (replace(CLOSING, has_waiting=True), RestStep.REOPEN),
        (replace(CLOSING, engine=W.EXITED), RestStep.REOPEN),
        (replace(CLOSING, is_drained=False, closed_for_s=LONGEST_CLOSING_S + 1), RestStep.REOPEN),
        (SLEEPING, RestStep.SLEEP),
        (replace(SLEEPING, engine=W.ASLEEP), RestStep.SETTLE),
        (replace(SLEEPING, engine=W.ABSENT), RestStep.SETTLE),
        (replace(SLEEPING, engine=W.UNKNOWN), RestStep.WAIT),
        (replace(SLEEPING, is_wake_asked=True), RestStep.SLEEP),
        (STOPPING, RestStep.ASK_TO_STOP),
        (replace(STOPPING, was_asked_to_stop=True), RestStep.WAIT),
        (replace(STOPPING, was_asked_to_stop=True, is_grace_over=True), RestStep.REMOVE),
        (replace(STOPPING, engine=W.EXITED), RestStep.REMOVE),
        (RESTING, RestStep.NOTHING),
        (replace(RESTING, is_wake_asked=True), RestStep.WAKE),
        (replace(RESTING, is_wake_asked=True, has_waiting=True), RestStep.NOTHING),
    ],
)
def test_the_next_step_follows_from_what_is_seen(seen: RestObservation, step: RestStep) -> None:
    assert next_rest_step(seen) is step


observations = st.builds(
    RestObservation,
    state=st.sampled_from(RestState),
    engine=st.sampled_from(WorkloadStatus),
    closed_for_s=st.floats(0, 100),
    **{
        name: st.booleans()
        for name in (
            *("is_idle", "is_wake_asked", "has_waiting", "is_busy", "is_drained", "sleeps"),
            *("was_asked_to_stop", "is_grace_over"),
        )
    },
)


@given(seen=observations)
def test_an_engine_is_touched_only_once_nothing_points_to_it(seen: RestObservation) -> None:
    step = next_rest_step(seen)

    if step in (RestStep.SLEEP, RestStep.ASK_TO_STOP, RestStep.REMOVE, RestStep.SETTLE):
        assert seen.state is RestState.LEAVING
    if step is RestStep.LEAVE:
        assert seen.is_drained
        assert not (seen.is_wake_asked or seen.is_busy or seen.has_waiting)
    if step is RestStep.WAKE:
        assert seen.state is RestState.RESTING


@given(reports=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.floats(0, 60)), max_size=30))
def test_reading_an_old_row_again_makes_no_use_of_it(reports: list[tuple[int, int, float]]) -> None:
    watch, once = IdleWatch(), IdleWatch()
    for at, (web, running, idle_s) in enumerate(reports):
        for each in (watch, once):
            each.note(web, at, open_requests=running, idle_s=idle_s, at=float(at))
        if not running:
            watch.note(web, at, open_requests=0, idle_s=idle_s, at=at + 500.0)

    assert watch.idle_for_s(1000.0) == once.idle_for_s(1000.0)


@dataclass
class FakeWeb:
    """A web process: the row it has read last, its requests, and what it has written down."""

    gate_open: bool = True
    epoch: int = 0
    rest: RestState = RestState.AWAKE
    running: int = 0
    waiting: int = 0
    written: tuple[int, int, int] = (0, 0, 0)
    """Epoch, running and waiting requests."""


@dataclass
class FakeRow:
    gate_open: bool = True
    epoch: int = 0
    rest: RestState = RestState.AWAKE
    is_wake_asked: bool = False
    webs: list[FakeWeb] = field(default_factory=lambda: [FakeWeb(), FakeWeb()])


class RestRace(RuleBasedStateMachine):
    """Web processes and a switcher that see each other's rows late, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.row = FakeRow()
        self.engine = W.RUNNING
        self.seen: RestObservation | None = None

    webs = st.integers(0, 1)

    @rule(web=webs)
    def request(self, web: int) -> None:
        each = self.row.webs[web]
        if each.gate_open:
            each.running += 1
        else:
            each.waiting += 1

    @rule(web=webs)
    def answer(self, web: int) -> None:
        each = self.row.webs[web]
        each.running = max(0, each.running - 1)

    @rule(web=webs)
    def leave(self, web: int) -> None:
        """A client that waits goes away."""
        each = self.row.webs[web]
        each.waiting = max(0, each.waiting - 1)

    @rule(web=webs)
    def read_board(self, web: int) -> None:
        each, row = self.row.webs[web], self.row
        each.gate_open, each.epoch, each.rest = row.gate_open, row.epoch, row.rest
        if each.gate_open:
            each.running, each.waiting = each.running + each.waiting, 0

    @rule(web=webs)
    def write_presence(self, web: int) -> None:
        each = self.row.webs[web]
        each.written = (each.epoch, each.running, each.waiting)

    @rule(web=webs)
    def ask_to_wake(self, web: int) -> None:
        """As `modelops.switching.waking` writes it: only while the row does not say that it is awake."""
        each = self.row.webs[web]
        if each.waiting and each.rest is not RestState.AWAKE and self.row.rest is not RestState.AWAKE:
            self.row.is_wake_asked = True

    @rule(is_idle=st.booleans(), has_waiting=st.booleans())
    def look(self, is_idle: bool, has_waiting: bool) -> None:
        row = self.row
        written = [web.written for web in row.webs]
        self.seen = RestObservation(
            state=row.rest,
            engine=self.engine,
            is_idle=is_idle,
            has_waiting=has_waiting,
            is_wake_asked=row.is_wake_asked,
            is_busy=any(running + waiting for _epoch, running, waiting in written),
            is_drained=all(epoch >= row.epoch and not running for epoch, running, _waiting in written),
            sleeps=True,
        )

    @rule()
    def act(self) -> None:
        """On what was seen before, which may have changed: each write is conditional as the ledger's is."""
        if self.seen is None or self.seen.state is not self.row.rest:
            return
        step, self.seen = next_rest_step(self.seen), None
        row = self.row
        if step is RestStep.CLOSE:
            row.gate_open, row.rest, row.is_wake_asked, row.epoch = (
                False,
                RestState.CLOSING,
                False,
                row.epoch + 1,
            )
        elif step is RestStep.REOPEN or step is RestStep.WAKE:
            self.engine = W.RUNNING
            row.gate_open, row.rest, row.is_wake_asked, row.epoch = (
                True,
                RestState.AWAKE,
                False,
                row.epoch + 1,
            )
        elif step is RestStep.LEAVE and not row.is_wake_asked:
            row.rest, row.epoch = RestState.LEAVING, row.epoch + 1
        elif step is RestStep.SLEEP:
            self.engine = W.ASLEEP
        elif step is RestStep.SETTLE:
            row.rest = RestState.RESTING

    @invariant()
    def no_request_runs_on_an_engine_that_was_put_to_sleep(self) -> None:
        if self.engine is W.ASLEEP:
            assert not any(web.running for web in self.row.webs)

    @invariant()
    def whoever_waits_gets_an_engine_within_a_few_looks(self) -> None:
        race = RestRace()
        race.row = FakeRow(
            self.row.gate_open,
            self.row.epoch,
            self.row.rest,
            self.row.is_wake_asked,
            [replace(web) for web in self.row.webs],
        )
        race.engine = self.engine
        for _look in range(6):
            for web in (0, 1):
                race.read_board(web)
                race.write_presence(web)
                race.ask_to_wake(web)
            race.look(is_idle=False, has_waiting=False)
            race.act()
        assert not any(web.waiting for web in race.row.webs) or race.row.gate_open


TestRestRace = RestRace.TestCase
TestRestRace.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

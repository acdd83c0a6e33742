"""When an idle switcher looks: at once when it is told to, and by itself if that got lost."""

from __future__ import annotations

import os
import signal
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from gateway.conf import get_config
from gateway.stop_signal import StopSignal
from modelops.models import SwitcherPresence
from modelops.switcher import loop
from modelops.switcher.loop import Switcher
from modelops.tests.switcher.bench import SwitchBench

NEVER_S = 3600.0
POLLS = 50
LONG_LEASE = str(int(NEVER_S * 3))


def start_idle_switcher(bench: SwitchBench, **settings: str) -> None:
    """One that has served `a` for a while and looks by itself in an hour."""
    for slug in ("a", "b"):
        bench.save_profile(slug)
    bench.start_switcher(poll_s=NEVER_S, **settings)
    bench.switch_and_settle("a")


def test_a_switch_asked_for_by_another_process_begins_without_a_poll(bench: SwitchBench) -> None:
    start_idle_switcher(bench, SWITCHER_LEASE=LONG_LEASE)

    ended = bench.switch_and_settle("b")

    assert ended["state"] == "active"


def test_a_cancelled_switch_ends_without_a_poll(bench: SwitchBench) -> None:
    start_idle_switcher(bench, SWITCHER_LEASE=LONG_LEASE)
    with bench.busy_web_process():
        switch_id = bench.request("b", drain_timeout_s=600)
        bench.wait_for_state("draining")

        bench.order("cancel")
        bench.wait_until_settled()

    assert bench.find_switch(switch_id)["state"] == "cancelled"


def test_a_switch_that_nobody_announced_is_found_by_the_poll(bench: SwitchBench) -> None:
    for slug in ("a", "b"):
        bench.save_profile(slug)
    bench.start_switcher(SWITCHER_LEASE=LONG_LEASE)
    bench.switch_and_settle("a")

    switch_id = bench.order("insert_switch", profile="b", force=False)["switch"]
    bench.wait_until_settled()

    assert bench.find_switch(switch_id)["state"] == "active"


def test_a_switcher_that_waits_takes_over_a_lease_that_is_given_up_without_a_poll(bench: SwitchBench) -> None:
    start_idle_switcher(bench, SWITCHER_LEASE=LONG_LEASE)
    first = bench.switcher
    second = bench.start_switcher(poll_s=NEVER_S, SWITCHER_LEASE=LONG_LEASE)
    bench.wait_until(lambda: bench.find_switcher(second))

    bench.end_switcher(first, signal.SIGTERM)

    assert bench.switch_and_settle("b")["state"] == "active"


def test_a_dead_switcher_is_replaced_when_its_lease_expires_without_a_poll(bench: SwitchBench) -> None:
    start_idle_switcher(bench, SWITCHER_LEASE="2")
    first = bench.switcher
    second = bench.start_switcher(poll_s=NEVER_S, SWITCHER_LEASE="2")
    bench.wait_until(lambda: bench.find_switcher(second))

    bench.end_switcher(first, signal.SIGKILL)

    bench.wait_until(lambda: str(second) in bench.look()["slot"]["lease_holder"])


class Rounds(StopSignal):
    """Notes what each round asks of the database, and how long it would wait then; stops at `is_enough`."""

    def __init__(self, is_enough: Callable[[list[float]], bool]) -> None:
        read_end, write_end = os.pipe()
        super().__init__(read_end, write_end)
        self._is_enough = is_enough
        self._count = 0
        self.waits: list[float] = []
        self.queries: list[int] = []

    def count(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self._count += 1
        return execute(*arguments)

    def wait(self, timeout_s: float) -> bool:
        is_acting = SwitcherPresence.objects.filter(is_acting=True).exists()
        if is_acting:
            self.waits.append(timeout_s)
            self.queries.append(self._count - 1)
        self.is_set = is_acting and self._is_enough(self.waits)
        self._count = 0
        return super().wait(timeout_s)


def run_switcher(rounds: Rounds) -> None:
    config = replace(get_config(), autostart_profile="none", switcher_lease_s=10 * NEVER_S)
    with connection.execute_wrapper(rounds.count):
        Switcher(config).run(rounds)
    rounds.close()


@pytest.mark.django_db(transaction=True)
def test_an_idle_switcher_asks_nothing_of_the_database_until_its_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "POLL_PERIOD_S", NEVER_S)
    rounds = Rounds(lambda waits: waits[-1] > NEVER_S / 2 or len(waits) > POLLS)

    run_switcher(rounds)

    assert rounds.waits[-1] == NEVER_S


@pytest.mark.django_db(transaction=True)
def test_a_poll_of_an_idle_switcher_is_two_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "POLL_PERIOD_S", 0.001)
    rounds = Rounds(lambda waits: len(waits) == POLLS)

    run_switcher(rounds)

    # Presence, web processes and orphans are looked after every few seconds, in a poll that does more.
    assert statistics.median(rounds.queries) == 2

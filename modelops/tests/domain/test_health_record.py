"""When the engine that serves counts as hung: after checks in vain, never for time in which nobody asked."""

from __future__ import annotations

from modelops.domain.switching.maintenance import UNHEALTHY_S, HealthRecord

PERIOD_S = 2.0


def test_an_engine_that_was_asked_in_vain_for_long_enough_counts_as_hung() -> None:
    health = HealthRecord()
    health.note("new-1", is_healthy=True, at=100.0)

    for check in range(1, 17):
        health.note("new-1", is_healthy=False, at=100.0 + check * PERIOD_S)

    assert health.unhealthy_for_s("new-1") > UNHEALTHY_S


def test_one_good_answer_ends_a_row_of_bad_ones() -> None:
    health = HealthRecord()
    for check in range(10):
        health.note("new-1", is_healthy=False, at=check * PERIOD_S)

    health.note("new-1", is_healthy=True, at=20.0)

    assert health.unhealthy_for_s("new-1") == 0


def test_the_time_of_a_switch_does_not_count_against_the_engine_it_led_to() -> None:
    health = HealthRecord()
    health.note("old-1", is_healthy=True, at=0.0)

    before_its_first_check = health.unhealthy_for_s("new-2")
    health.note("new-2", is_healthy=False, at=600.0)

    assert before_its_first_check == 0
    assert health.unhealthy_for_s("new-2") == 0


def test_time_in_which_nobody_could_ask_does_not_count_against_an_engine() -> None:
    health = HealthRecord()
    health.note("new-1", is_healthy=True, at=0.0)

    after_an_outage = health.unhealthy_for_s("new-1")
    health.note("new-1", is_healthy=False, at=600.0)

    assert after_an_outage == 0
    assert health.unhealthy_for_s("new-1") < UNHEALTHY_S

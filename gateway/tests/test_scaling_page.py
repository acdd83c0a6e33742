"""docs/scaling.md: that its tables are those of the computation, and that the simulation is a queue."""

from __future__ import annotations

from pytest import approx

from benchmarks.scaling import USERS, Assumptions, find_demand, simulate, write_carried, write_demand
from gateway.conf import BASE_DIR

PAGE = (BASE_DIR / "docs" / "scaling.md").read_text()
ASSUMED = Assumptions()


def test_tables_of_the_page_are_what_the_command_prints() -> None:
    assert write_demand(USERS, ASSUMED) in PAGE
    assert write_carried(ASSUMED) in PAGE


def test_simulation_with_places_enough_agrees_with_littles_law() -> None:
    demand = find_demand(200_000, ASSUMED)

    outcome = simulate(demand, engines=1_000, assumed=ASSUMED)

    assert outcome.wait_p95_s == 0
    assert outcome.running_median == approx(demand.mean_running, rel=0.03)


def test_too_few_places_make_turns_wait_and_never_run_beyond_them() -> None:
    demand = find_demand(200_000, ASSUMED)
    engines = int(demand.mean_running / ASSUMED.places / 2)

    outcome = simulate(demand, engines, ASSUMED)

    assert outcome.wait_p95_s > ASSUMED.first_token_s
    assert outcome.running_p99 == engines * ASSUMED.places

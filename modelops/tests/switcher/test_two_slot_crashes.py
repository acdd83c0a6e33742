"""kill -9 of a switcher that acts for two slots: both always end in a state that is true."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tests.databases import Stores
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_crashes import assert_true_to_itself

CRASHES = int(os.environ.get("GATEWAY_TEST_TWO_SLOT_CRASHES", "4"))
SLOTS = ("default", "second")
LONGEST_S = 1.6
"""Past the end of a whole switch, so that instants after it are met as well."""


@pytest.fixture
def two_slots(stores: Stores, tmp_path: Path) -> Iterator[SwitchBench]:
    with open_bench(stores, tmp_path) as bench:
        for slug in ("a", "b", "c"):
            bench.save_profile(slug)
        bench.save_profile("broken", faults=("cuda_oom",))
        bench.start_switcher()
        bench.order("create_slot", name="second", has_gpus=False)
        yield bench


def test_two_slots_converge_though_switchers_are_killed_at_random_instants(two_slots: SwitchBench) -> None:
    bench = two_slots
    seed = int(os.environ.get("GATEWAY_TEST_SEED", time.time_ns() % 1_000_000))
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    print(f"seed {seed}, {CRASHES} crashes")

    for crash in range(CRASHES):
        # Both at the same time as often as one alone.
        for slot in chance.choice([SLOTS, SLOTS, *([slot] for slot in SLOTS)]):
            bench.order("request", profile=chance.choice(["a", "b", "c", "broken"]), slot=slot)
        time.sleep(chance.uniform(0.0, LONGEST_S))
        bench.end_switcher(bench.switcher, signal.SIGKILL)
        bench.start_switcher()
        if crash % 5 == 4:
            settle(bench)

    settle(bench)


def settle(bench: SwitchBench) -> None:
    """Wait for every switch to end; each slot is then what its rows say."""
    for slot in SLOTS:
        assert_true_to_itself(bench.wait_until_settled(slot))

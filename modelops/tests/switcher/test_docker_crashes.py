"""kill -9 of a switcher whose engines are containers: none is left over, and the history is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from modelops.domain.switching.states import SwitchState
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_crashes import (
    FORWARD,
    assert_true_to_itself,
    crash_at_random,
    finish_after_crash,
)

pytestmark = [pytest.mark.docker]


@pytest.fixture(scope="module")
def docker_bench(
    stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
    docker_engine: DockerEngine,
    simulator_image: str,
) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("docker-crashes")
    with open_bench(stores, folder, DOCKER_HOST=docker_engine.host, SWITCHER_LEASE="1") as bench:
        for slug in ("a", "b"):
            bench.save_profile(slug, runtime="docker", image=simulator_image)
        bench.save_profile("broken", runtime="docker", image=simulator_image, faults=("cuda_oom",))
        yield bench


@pytest.mark.parametrize("state", FORWARD)
def test_a_switcher_killed_in_this_state_is_followed_by_one_that_finishes(
    docker_bench: SwitchBench, state: SwitchState
) -> None:
    rows = finish_after_crash(docker_bench, state)

    assert_true_to_itself(rows)
    assert rows["switches"][-1]["state"] == "active"


def test_switchers_killed_at_random_instants_always_converge(docker_bench: SwitchBench) -> None:
    rows = crash_at_random(docker_bench, longest_s=3.0)

    assert_true_to_itself(rows)

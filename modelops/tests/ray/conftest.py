"""Switchers over a real Ray cluster, and a web process in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess
from modelops.tests.switcher.bench import SwitchBench, open_bench

if TYPE_CHECKING:
    from gateway.tests.ray_cluster.cluster import RayCluster

PACE = {"sim-startup-seconds": 0, "sim-tokens-per-second": 20}


@pytest.fixture(scope="module")
def bench(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, ray_cluster: RayCluster
) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("ray")
    settings = {**ray_cluster.settings, "SWITCHER_LEASE": "3", "SWITCH_DRAIN_TIMEOUT": "20"}
    with open_bench(embedded_stores, folder, **settings) as bench:
        for slug, replicas in (("a", 1), ("b", 1), ("large", 3)):
            bench.save_profile(slug, runtime="ray", flags=PACE, replicas=replicas)
        bench.save_profile("broken", runtime="ray", faults=("cuda_oom",))
        bench.save_profile("large-broken", runtime="ray", faults=("cuda_oom",), replicas=3)
        bench.save_profile("too-large", runtime="ray", replicas=9)
        yield bench


@pytest.fixture(scope="module")
def web(bench: SwitchBench) -> Iterator[GatewayProcess]:
    with bench.web_process() as gateway:
        yield gateway

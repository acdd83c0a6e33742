"""Drivers on which the scripted `vllm` runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelops.tests.runtimes.benches import (
    Bench,
    DockerBench,
    ProcessBench,
    RayBench,
    build_scripted_image,
)

if TYPE_CHECKING:
    from gateway.tests.docker_engine.daemon import DockerEngine
    from gateway.tests.ray_cluster.cluster import RayCluster


@pytest.fixture(scope="session")
def scripted_image(docker_engine: DockerEngine, simulator_image: str) -> str:
    return build_scripted_image(docker_engine, simulator_image, "gateway-test/vllm:scripted")


@pytest.fixture
def docker_bench(docker_engine: DockerEngine, scripted_image: str) -> Iterator[DockerBench]:
    bench = DockerBench(docker_engine, scripted_image)
    yield bench
    bench.dispose()


@pytest.fixture
def process_bench(tmp_path: Path) -> Iterator[ProcessBench]:
    bench = ProcessBench(tmp_path)
    yield bench
    bench.dispose()


@pytest.fixture
def ray_bench(tmp_path: Path, ray_cluster: RayCluster) -> Iterator[RayBench]:
    bench = RayBench(tmp_path, ray_cluster.settings)
    yield bench
    bench.dispose()


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each driver that starts engines."""
    chosen: Bench = request.getfixturevalue(f"{request.param}_bench")
    return chosen


@pytest.fixture(
    params=[
        "process",
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("ray", marks=pytest.mark.ray),
    ]
)
def any_bench(request: pytest.FixtureRequest) -> Bench:
    """Each driver that starts engines, clusters included: those tell neither processes nor exit codes."""
    chosen: Bench = request.getfixturevalue(f"{request.param}_bench")
    return chosen

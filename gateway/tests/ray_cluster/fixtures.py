"""The cluster of a test run, started by the first test that needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway.tests.ray_cluster.cluster import RayCluster


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """Two nodes. One application on it is somebody else's."""
    from gateway.tests.needs import NeedMissing, skip_loudly
    from gateway.tests.ray_cluster.cluster import start_cluster
    from gateway.tests.ray_cluster.install import install_ray

    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(start_cluster(install_ray()))
        except NeedMissing as exc:
            skip_loudly("on a Ray cluster", exc)
        cluster.deploy_theirs()
        yield cluster

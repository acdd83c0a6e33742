"""Switchers as processes of their own, over a database of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tests.databases import Stores
from modelops.tests.switcher.bench import SwitchBench, open_bench


@pytest.fixture
def bench(stores: Stores, tmp_path: Path) -> Iterator[SwitchBench]:
    with open_bench(stores, tmp_path) as bench:
        yield bench


@pytest.fixture(scope="module")
def replica_bench(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchBench]:
    folder: Path = tmp_path_factory.mktemp("replicas")
    with open_bench(stores, folder) as bench:
        bench.save_profile("one")
        bench.save_profile("two", replicas=2)
        bench.save_profile("three", replicas=3)
        bench.start_switcher()
        yield bench

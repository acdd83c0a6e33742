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

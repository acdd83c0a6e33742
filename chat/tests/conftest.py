from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelops.simulator.process import start_simulator


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[str, str]]:
    """The URLs of A, which is slow enough to be caught in the middle of an answer, and of B."""
    slow = ("--served-model-name", "a", "--sim-tokens-per-second", "10")
    fast = ("--served-model-name", "b", "--sim-tokens-per-second", "500")
    with start_simulator(*slow) as a, start_simulator(*fast) as b:
        yield a.base_url, b.base_url

"""Every runtime has its row in the table, and its driver."""

from __future__ import annotations

from modelops.domain.runtimes import RUNTIMES, RuntimeKind
from modelops.runtimes.registry import DRIVERS


def test_every_runtime_has_a_row_and_a_driver() -> None:
    assert set(RUNTIMES) == set(DRIVERS) == set(RuntimeKind)

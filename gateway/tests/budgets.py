"""How many random and generated cases a run has: few by default, all of them when asked for."""

from __future__ import annotations

import os

LEAST = 10
WORKING_SHARE = 4


def has_full_budget() -> bool:
    """GATEWAY_TEST_BUDGET=full."""
    return os.environ.get("GATEWAY_TEST_BUDGET") == "full"


def examples(full: int) -> int:
    """What is left of a property's examples: a quarter, but ten of them."""
    return full if has_full_budget() else min(full, max(LEAST, full // WORKING_SHARE))

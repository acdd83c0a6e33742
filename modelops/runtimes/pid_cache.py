"""Process ids of engines, which are dear to find out and seldom change."""

from __future__ import annotations

import time
from collections.abc import Callable

LAST_S = 5.0


class PidCache:
    """Remembers for LAST_S, so that a look stays cheap: GPUs are read less often."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[int, ...]]] = {}

    def get(self, reference: str, list_pids: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
        now = time.monotonic()
        self._known = {key: value for key, value in self._known.items() if now - value[0] < LAST_S}
        if reference not in self._known:
            self._known[reference] = (now, list_pids())
        return self._known[reference][1]

"""Whether engines answer that no switcher watches, as their box is not heard of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

import httpx

from modelops.serving.engine_tls import get_engine_tls

TIMEOUT_S = 1.0
ANSWER_AGE_S = 3.0
"""How old an answer may be before the engine is asked again, behind the caller's back."""
FIRST_WAIT_S = 1.2
MOST_AT_ONCE = 4


def ask_health(url: str) -> bool:
    """Whether 200 comes back from this address of a health check."""
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, trust_env=False, verify=get_engine_tls())
        return answer.status_code == 200
    except httpx.HTTPError:
        return False


class EngineProbes:
    """Remembers by address what was answered last. Safe to share between threads."""

    def __init__(
        self, ask: Callable[[str], bool] = ask_health, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="engine-probe")
        self._asked: dict[str, tuple[float, Future[bool]]] = {}
        self._known: dict[str, bool] = {}

    def answers(self, url: str) -> bool:
        """What was found last at the address of a health check; waits only where nothing is known yet."""
        future = self._begin(url)
        if url not in self._known:
            wait((future,), timeout=FIRST_WAIT_S)
        if future.done():
            self._known[url] = future.result()
        return self._known.get(url, False)

    def _begin(self, url: str) -> Future[bool]:
        with self._lock:
            asked_at, future = self._asked.get(url, (0.0, None))
            if future is not None and (not future.done() or self._clock() - asked_at < ANSWER_AGE_S):
                return future
            if future is not None:
                self._known[url] = future.result()
            begun = self._pool.submit(self._ask, url)
            self._asked[url] = (self._clock(), begun)
            return begun


@cache
def get_engine_probes() -> EngineProbes:
    """This process's."""
    return EngineProbes()

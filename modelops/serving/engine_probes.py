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


def ask_health(base_url: str) -> bool:
    try:
        tls = get_engine_tls()
        answer = httpx.get(f"{base_url}/health", timeout=TIMEOUT_S, trust_env=False, verify=tls)
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

    def answers(self, base_url: str) -> bool:
        """What was found last; waits only where nothing is known yet. False for no answer."""
        if not base_url:
            return False
        future = self._begin(base_url)
        if base_url not in self._known:
            wait((future,), timeout=FIRST_WAIT_S)
        if future.done():
            self._known[base_url] = future.result()
        return self._known.get(base_url, False)

    def _begin(self, base_url: str) -> Future[bool]:
        with self._lock:
            asked_at, future = self._asked.get(base_url, (0.0, None))
            if future is not None and (not future.done() or self._clock() - asked_at < ANSWER_AGE_S):
                return future
            if future is not None:
                self._known[base_url] = future.result()
            begun = self._pool.submit(self._ask, base_url)
            self._asked[base_url] = (self._clock(), begun)
            return begun


@cache
def get_engine_probes() -> EngineProbes:
    """This process's."""
    return EngineProbes()

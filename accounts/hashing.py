"""How many passwords are hashed at a time. A hash takes 100 MB and a tenth of a second of every core."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from gateway.conf import get_config
from gateway.errors import ConcurrencyLimitExceeded
from gateway.metrics import PASSWORD_WAIT

LONGEST_QUEUE = 64
"""With two places it is done in three seconds."""

LONGEST_WAIT_S = 60.0
"""For a machine that is busy with much else."""


class HashingGate:
    """Lets so many threads hash at a time; as many as `queue` wait their turn, in the order of their coming.

    In order, so that nobody is passed over by those who try wrong passwords as fast as they can.
    """

    def __init__(self, *, places: int, queue: int, wait_s: float) -> None:
        self._free = places
        self._longest_queue = queue
        self._wait_s = wait_s
        self._turns: deque[threading.Event] = deque()
        self._lock = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place, for as long as the context is open. Blocks; a thread that has one already goes on with it.

        Raises ConcurrencyLimitExceeded when the queue is full, or the turn does not come in time.
        """
        if getattr(self._own, "has_place", False):
            yield
            return
        began_at = time.perf_counter()
        try:
            self._take()
        finally:
            PASSWORD_WAIT.observe(time.perf_counter() - began_at)
        self._own.has_place = True
        try:
            yield
        finally:
            self._own.has_place = False
            self._give_on()

    def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._turns) >= self._longest_queue:
                raise _too_many()
            turn = threading.Event()
            self._turns.append(turn)
        if turn.wait(self._wait_s):
            return
        with self._lock:
            if turn.is_set():  # a moment ago
                return
            self._turns.remove(turn)
        raise _too_many()

    def _give_on(self) -> None:
        with self._lock:
            if self._turns:
                self._turns.popleft().set()
            else:
                self._free += 1


def _too_many() -> ConcurrencyLimitExceeded:
    return ConcurrencyLimitExceeded("Too many passwords are being checked. Try again in a moment.")


@lru_cache(maxsize=1)
def hashing_gate() -> HashingGate:
    """This process's gate."""
    places = get_config().max_password_hashes
    return HashingGate(places=places, queue=LONGEST_QUEUE, wait_s=LONGEST_WAIT_S)

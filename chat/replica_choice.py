"""Which of several engines that serve a model a request goes to (docs/adr/0024).

Everything here runs on the event loop, and counts the requests of this process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b

from chat.prefix_keys import find_prefix_key
from gateway.metrics import REPLICA_CHOICES
from modelops.serving.routes import Route

REST_S = 5.0
"""How long an engine that failed gets no request, while another one may be asked."""
BUSIER = 1.25
SPARE_REQUESTS = 4
"""By how many tokens the engine that holds a prefix may be busier than the least busy one: by this factor,
and by so many requests of average size."""
FIRST_GUESS_TOKENS = 256.0
"""Of an answer, before one has ended."""
BYTES_PER_TOKEN = 4
WEIGHT = 0.1
"""Of the newest value in an average."""

_LEAST_BUSY, _PREFIX, _BUSIER = (REPLICA_CHOICES.labels(why) for why in ("least_busy", "prefix", "busier"))


class OutstandingWork:
    """What this process has under way at one engine."""

    __slots__ = ("rests_until", "running", "seed", "tokens")

    def __init__(self, engine: str) -> None:
        self.seed = engine.encode()[:64]
        self.running = 0
        self.tokens = 0.0
        """Outstanding: of the prompts, and expected of the answers."""
        self.rests_until = 0.0
        """It failed, and is left out until then; in the clock's seconds."""


class EngineLoads:
    """The loads of all engines that share their requests with others; one per web process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loads: dict[str, OutstandingWork] = {}
        self._answer_tokens = FIRST_GUESS_TOKENS
        self._request_tokens = 0.0
        self._turn = 0

    def choose(
        self, ways: Sequence[Route], affinity: object = None, *, without: Collection[str] = ()
    ) -> Route | None:
        """The way to the engine that is to answer; None where each is at its limit, or named in `without`.

        It is the one that holds the request's prefix, unless that is clearly busier than another; for a
        request without any it is the one with the fewest outstanding tokens.
        """
        usable = self._list_usable(ways, without)
        if not usable:
            return None
        self._turn += 1
        count = len(usable)
        turn = self._turn
        least_at = min(range(count), key=lambda at: (usable[at][1].tokens, (at + turn) % count))
        least, load = usable[least_at]
        key = None if affinity is None else find_prefix_key(affinity)
        if key is None:
            _LEAST_BUSY.inc()
            return least
        home, home_load = max(usable, key=lambda way: _score(key, way[1].seed))
        most = load.tokens * BUSIER + SPARE_REQUESTS * self._request_tokens
        is_at_home = home_load.tokens <= most
        (_PREFIX if is_at_home else _BUSIER).inc()
        return home if is_at_home else least

    def enter(self, engine: str) -> OutstandingWork:
        """One more request is at the engine; its tokens are added by `carry`."""
        load = self._load_of(engine)
        load.running += 1
        return load

    def carry(self, load: OutstandingWork, prompt_bytes: int, choices: int, max_tokens: int | None) -> float:
        """Add a request's tokens to the load; how many, for `leave`."""
        expected = self._answer_tokens if max_tokens is None else min(self._answer_tokens, max_tokens)
        tokens = prompt_bytes / BYTES_PER_TOKEN + choices * expected
        load.tokens += tokens
        self._request_tokens += (tokens - self._request_tokens) * (WEIGHT if self._request_tokens else 1)
        return tokens

    def leave(self, load: OutstandingWork, tokens: float) -> None:
        """A request has left the engine."""
        load.running -= 1
        load.tokens = load.tokens - tokens if load.running else 0.0

    def note_answer(self, tokens: int) -> None:
        """An answer had so many tokens."""
        self._answer_tokens += (tokens - self._answer_tokens) * WEIGHT

    def note_failure(self, engine: str) -> None:
        """The engine did not take a request: leave it out for a while."""
        self._load_of(engine).rests_until = self._clock() + REST_S

    def running_at(self, engine: str) -> int:
        load = self._loads.get(engine)
        return load.running if load else 0

    def forget_others(self, engines: Collection[str]) -> None:
        """Drop what is known of engines that are gone."""
        for engine in [each for each, load in self._loads.items() if each not in engines]:
            if not self._loads[engine].running:
                del self._loads[engine]

    def _list_usable(
        self, ways: Sequence[Route], without: Collection[str]
    ) -> list[tuple[Route, OutstandingWork]]:
        """Those below their limit. One that rests counts only where all of them do."""
        fresh: list[tuple[Route, OutstandingWork]] = []
        resting: list[tuple[Route, OutstandingWork]] = []
        now = self._clock()
        for way in ways:
            load = self._load_of(way.engine)
            limit = way.max_concurrent_requests
            if (limit is not None and load.running >= limit) or way.engine in without:
                continue
            (resting if load.rests_until > now else fresh).append((way, load))
        return fresh or resting

    def _load_of(self, engine: str) -> OutstandingWork:
        load = self._loads.get(engine)
        if load is None:
            load = self._loads[engine] = OutstandingWork(engine)
        return load


def _score(key: bytes, seed: bytes) -> bytes:
    """Rendezvous hashing: each key ranks the engines in an order of its own, which an engine that comes or
    goes does not change for the others."""
    return blake2b(key, digest_size=8, key=seed).digest()

"""Answers as clients follow them that come back: what each says, as it grows, until its row is closed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from redis.asyncio import Redis

from chat.answer_copies import AnswerCopies
from chat.answer_mirrors import AnswerMirrors, CopyName, Mirror
from chat.generation import Generation
from chat.positions import AnswerText
from chat.registry import Registry
from conversations.stored_answers import (
    AnswerQuery,
    AnswerState,
    StoredAnswer,
    find_answer_states,
    find_stored_answers,
)
from gateway.batching import BatchWorker
from gateway.conf import GatewayConfig
from gateway.errors import AnswerInterrupted, NotFound, ShuttingDown

CHECK_PERIOD_S = 1.0
"""How often the row of an answer that runs in another process is read: it alone tells of that one's death."""
COALESCING_S = 0.02
"""The least time between two pieces for one reader: what comes meanwhile is one piece."""


class AnswerFeed:
    """One reader's view of an answer. Made by `AnswerFeeds.open`.

    The text comes from this process where it generates the answer, else from the copy that the process which
    does makes in Redis, else from what is saved of it in its row.
    """

    def __init__(
        self, query: AnswerQuery, stored: StoredAnswer, feeds: AnswerFeeds, wake: asyncio.Event
    ) -> None:
        self.stored = stored
        """The row, as it was read last; closed once `next` has returned None."""
        self.generation: Generation | None = None
        """The answer, while this process generates it."""
        self.mirror: Mirror | None = None
        self._query = query
        self._feeds = feeds
        self._wake = wake
        self._state: AnswerState | None = None
        """The row's state when its text was read last."""
        self._check_at = self._rests_until = 0.0

    async def next(self) -> AnswerText | None:
        """What the answer says by now, soon after it grew; None when its row is closed. May be cancelled.

        Raises ShuttingDown when this process stops, AnswerInterrupted when another request took the answer
        over, and what reading the row raises.
        """
        while self.stored.is_streaming:
            await self._wait(math.inf if self.generation is not None else self._check_at)
            if self._feeds.is_closed:
                raise ShuttingDown
            if self.generation is not None:
                return self._read_local(self.generation)
            if self.mirror is not None and self.mirror.is_over:
                self.mirror.is_over, self.mirror.transcript = False, None
                self._check_at = 0.0
            if time.monotonic() >= self._check_at:
                await self._check_row()
            if self.mirror is not None and self.mirror.transcript is not None:
                return AnswerText.of(self.mirror.transcript)
            if self.stored.is_streaming:
                return AnswerText.of_row(self.stored)
        return None

    async def _wait(self, until: float) -> None:
        """Until something is new, or the time has come."""
        if (rest_s := self._rests_until - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if until == math.inf else max(0.0, until - time.monotonic())):
                await self._wake.wait()
        self._wake.clear()
        self._rests_until = time.monotonic() + COALESCING_S

    def _read_local(self, generation: Generation) -> AnswerText:
        if self._feeds.registry.find(self.stored.id) is not generation:
            self.generation = None  # the row was closed before, unless the database failed
        return AnswerText.of(generation.transcript)

    async def _check_row(self) -> None:
        """Read the row if it is closed, or has grown and nothing else has the text; renew the request."""
        state = await self._feeds.look(self.stored.id)
        if state is not None and state.request_id != self.stored.request_id:
            raise AnswerInterrupted("Another request goes on with this answer.")
        if state is None or not state.is_streaming or (state != self._state and not self._is_mirrored):
            self.stored = await self._feeds.read(self._query)
            self._state = state
        self._check_at = time.monotonic() + CHECK_PERIOD_S
        if self.stored.is_streaming and self._feeds.mirrors is not None:
            await self._feeds.mirrors.request_copy(name_of(self.stored))

    @property
    def _is_mirrored(self) -> bool:
        return self.mirror is not None and self.mirror.transcript is not None


class AnswerFeeds:
    """Opens feeds; one per web process."""

    def __init__(
        self,
        worker: BatchWorker,
        registry: Registry,
        mirrors: AnswerMirrors | None = None,
        copies: AnswerCopies | None = None,
    ) -> None:
        """`mirrors` and `copies` are None where this is the only web process."""
        self.registry = registry
        self.mirrors = mirrors
        self._copies = copies
        self.is_closed = False
        self._worker = worker
        self._wakes: set[asyncio.Event] = set()

    async def read(self, query: AnswerQuery) -> StoredAnswer:
        """The answer's row. Raises NotFound and DependencyUnavailable."""
        stored = await self._worker.submit(find_stored_answers, query)
        if stored is None:
            raise NotFound("There is no such answer.")
        return stored

    async def look(self, message_id: uuid.UUID) -> AnswerState | None:
        """The state of its row; None when it is gone. Raises DependencyUnavailable."""
        return await self._worker.submit(find_answer_states, message_id)

    @contextmanager
    def open(self, query: AnswerQuery, stored: StoredAnswer) -> Iterator[AnswerFeed]:
        wake = asyncio.Event()
        wake.set()  # what there is by now is news
        feed = AnswerFeed(query, stored, self, wake)
        generation = self.registry.find(stored.id)
        with ExitStack() as stack:
            self._wakes.add(wake)
            stack.callback(self._wakes.discard, wake)
            if generation is not None and generation.request_id == stored.request_id:
                feed.generation = generation
                generation.growth_listeners.append(wake.set)
                stack.callback(generation.growth_listeners.remove, wake.set)
            elif stored.is_streaming and self.mirrors is not None:
                feed.mirror = stack.enter_context(self.mirrors.mirrored(name_of(stored), wake))
            yield feed

    async def listen(self) -> None:
        """Make the copies that other processes ask for; returns when Redis is lost."""
        if self._copies is not None:
            await self._copies.listen()

    async def stop(self) -> None:
        """End the work on copies, once no answer is running any more."""
        for work in (self._copies, self.mirrors):
            if work is not None:
                await work.stop()

    def close(self) -> None:
        """End every feed, also those to come: the process stops."""
        self.is_closed = True
        for wake in self._wakes:
            wake.set()


def make_feeds(
    config: GatewayConfig, worker: BatchWorker, registry: Registry, redis: Redis | None
) -> AnswerFeeds:
    if redis is None:
        return AnswerFeeds(worker, registry)
    copies = AnswerCopies(registry, redis, max_bytes=config.resume_buffer_bytes, ttl_s=config.resume_ttl_s)
    return AnswerFeeds(worker, registry, AnswerMirrors(redis), copies)


def name_of(stored: StoredAnswer) -> CopyName:
    return CopyName.of(stored.id, stored.request_id)

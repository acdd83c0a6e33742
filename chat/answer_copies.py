"""Copies of running answers in Redis, made only of those that another process follows (docs/adr/0016)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chat.answer_mirrors import END, PIECE, REQUESTS, WHOLE, CopyName
from chat.generation import Generation
from chat.positions import START, AnswerText, Position, end_of, rest_of, tag_of
from chat.registry import Registry

log = structlog.get_logger()

LISTEN_S = 30.0
COALESCING_S = 0.02
"""The least time between two entries: what comes meanwhile is one."""


@dataclass
class _Copy:
    """A copy in the making."""

    name: CopyName
    generation: Generation
    wanted_until: float
    position: Position = START
    size_bytes: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)


class AnswerCopies:
    """Copies answers of this process on request; one per web process.

    A copy is a stream of Redis's: all that was said when it began, then each piece, then its end. It is
    bounded in bytes, and in time after it was last asked for.
    """

    def __init__(self, registry: Registry, redis: Redis, *, max_bytes: int, ttl_s: float) -> None:
        self._registry = registry
        self._redis = redis
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._copies: dict[CopyName, _Copy] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Make the copies that other processes ask for; returns when Redis is lost."""
        try:
            async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(REQUESTS)
                while True:
                    message = await pubsub.get_message(timeout=LISTEN_S)
                    if message and (name := CopyName.parse(_text(message["data"]))) is not None:
                        self._take_request(name)
        except (RedisError, OSError) as exc:
            log.warning("copies_listener_disconnected", error=type(exc).__name__)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take_request(self, name: CopyName) -> None:
        wanted_until = time.monotonic() + self._ttl_s
        if (copy := self._copies.get(name)) is not None:
            copy.wanted_until = wanted_until
            return
        generation = self._registry.find(name.message_id)
        if generation is None or tag_of(name.message_id, generation.request_id) != name.tag:
            return
        copy = self._copies[name] = _Copy(name, generation, wanted_until)
        task = asyncio.create_task(self._make(copy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make(self, copy: _Copy) -> None:
        copy.generation.growth_listeners.append(copy.grown.set)
        try:
            await self._redis.delete(copy.name.key)
            await self._write_pieces(copy)
        except (RedisError, OSError) as exc:
            log.warning("answer_not_copied", error=type(exc).__name__)
        finally:
            copy.generation.growth_listeners.remove(copy.grown.set)
            del self._copies[copy.name]

    async def _write_pieces(self, copy: _Copy) -> None:
        await self._write_piece(copy, WHOLE)
        while time.monotonic() < copy.wanted_until:
            await self._wait(copy)
            is_over = self._registry.find(copy.name.message_id) is not copy.generation
            if copy.size_bytes <= self._max_bytes:
                await self._write_piece(copy, PIECE)
            if is_over:
                await self._write(copy, END, b"")
                return

    async def _write_piece(self, copy: _Copy, kind: bytes) -> None:
        """Write what was added. One that outgrows its bound ends: its followers read the row."""
        said = AnswerText.of(copy.generation.transcript)
        delta = rest_of(said, copy.position)
        if not delta and kind == PIECE:
            await self._redis.pexpire(copy.name.key, self._ttl_ms)
            return
        copy.position = end_of(said)
        payload = msgspec.json.encode({"choices": [{"index": 0, "delta": delta}]})
        copy.size_bytes += len(payload)
        if copy.size_bytes > self._max_bytes:
            log.info("answer_outgrew_its_copy", message_id=copy.name.message_id)
            await self._write(copy, END, b"", keep=1)
        else:
            await self._write(copy, kind, payload)

    async def _write(self, copy: _Copy, kind: bytes, payload: bytes, *, keep: int | None = None) -> None:
        """Add an entry, and of the others keep so many that there are `keep` in all."""
        fields: dict[Any, Any] = {kind: payload}
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(copy.name.key, fields, maxlen=keep, approximate=False)
            pipeline.pexpire(copy.name.key, self._ttl_ms)
            await pipeline.execute()

    async def _wait(self, copy: _Copy) -> None:
        """Until the answer grows, or the copy's life has to be prolonged."""
        await asyncio.sleep(COALESCING_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._ttl_s / 3):
                await copy.grown.wait()
        copy.grown.clear()

    @property
    def _ttl_ms(self) -> int:
        return round(self._ttl_s * 1000)


def _text(data: bytes | str) -> str:
    return data.decode() if isinstance(data, bytes) else data

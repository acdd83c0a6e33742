"""Answers of other processes, followed in this one: read from the copies that `chat.answer_copies` makes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chat.positions import tag_of
from chat.transcript import Transcript, decode_chunk
from gateway.ids import parse_id

log = structlog.get_logger()

REQUESTS = "gateway:copies"
"""The channel on which copies are asked for."""
WHOLE, PIECE, END = b"whole", b"piece", b"end"
"""The field of an entry: all that was said by then, what was added, or that no more comes."""

BLOCK_MS = 50
"""How long one read waits; who begins to follow meanwhile waits for as long."""
RETRY_S = 1.0
PAGE = 100


class CopyName(NamedTuple):
    """Names an answer as one request generates it."""

    message_id: uuid.UUID
    tag: str

    @classmethod
    def of(cls, message_id: uuid.UUID, request_id: str) -> Self:
        return cls(message_id, tag_of(message_id, request_id))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        message_id, _, tag = text.partition(":")
        found = parse_id(message_id)
        return cls(found, tag) if found and tag else None

    def __str__(self) -> str:
        return f"{self.message_id}:{self.tag}"

    @property
    def key(self) -> str:
        return f"gateway:answer:{self}"


@dataclass
class Mirror:
    """An answer of another process, as far as it is known here."""

    transcript: Transcript | None = None
    """None until the copy's first entry has been read."""
    is_over: bool = False
    """The copy has ended: the row is closed, or the answer outgrew the bound on copies."""
    read_to: bytes | str = b"0"
    wakes: list[asyncio.Event] = field(default_factory=list)

    def take(self, entry_id: bytes | str, fields: Mapping[bytes, bytes]) -> None:
        self.read_to = entry_id
        for kind, payload in fields.items():
            if kind == WHOLE:
                self.transcript = Transcript()
            if kind == END:
                self.is_over = True
            elif self.transcript is not None:
                self.transcript.add(decode_chunk(payload))


class AnswerMirrors:
    """Reads all copies that this process follows by one connection; one per web process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._mirrors: dict[CopyName, Mirror] = {}
        self._reading: asyncio.Task[None] | None = None

    @contextmanager
    def mirrored(self, name: CopyName, wake: asyncio.Event) -> Iterator[Mirror]:
        """The answer's mirror, kept up to date inside the context; `wake` is set when it grows or ends."""
        mirror = self._mirrors.setdefault(name, Mirror())
        mirror.wakes.append(wake)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_while_followed())
        try:
            yield mirror
        finally:
            mirror.wakes.remove(wake)
            if not mirror.wakes:
                del self._mirrors[name]

    async def request_copy(self, name: CopyName) -> None:
        """Have the process that generates the answer make a copy, or go on with it."""
        try:
            await self._redis.publish(REQUESTS, str(name))
        except (RedisError, OSError) as exc:
            log.warning("copy_not_requested", error=type(exc).__name__)  # the row is read meanwhile

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_while_followed(self) -> None:
        try:
            while self._mirrors:
                try:
                    await self._read_once()
                except (RedisError, OSError) as exc:
                    log.warning("copies_not_read", error=type(exc).__name__)
                    await asyncio.sleep(RETRY_S)
        finally:
            self._reading = None

    async def _read_once(self) -> None:
        mirrors = {name.key.encode(): mirror for name, mirror in self._mirrors.items()}
        places: dict[Any, Any] = {key: mirror.read_to for key, mirror in mirrors.items()}
        found = await self._redis.xread(places, count=PAGE, block=BLOCK_MS)
        for key, entries in _pages(found):
            mirror = mirrors[key]
            for entry_id, fields in entries:
                mirror.take(entry_id, fields)
            for wake in mirror.wakes:
                wake.set()


def _pages(found: Any) -> Iterator[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """The entries by key, as either version of Redis's protocol gives them."""
    pages = found.items() if isinstance(found, dict) else found or ()
    for key, entries in pages:
        # The newer protocol has the entries of a key in one more list.
        if entries and isinstance(entries[0], list):
            entries = entries[0]
        yield key, entries

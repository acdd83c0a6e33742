"""A Redis that hangs, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


class Hanging:
    """A server that takes connections and never says a word."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.has_caller = asyncio.Event()
        self._open: list[asyncio.StreamWriter] = []

    def _take(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.has_caller.set()
        self._open.append(writer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Redis]:
        """A client of it that waits for a tenth of a second."""
        server = await asyncio.start_server(self._take, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        redis = Redis(host="127.0.0.1", port=self.port, socket_timeout=0.1, retry=Retry(NoBackoff(), 0))
        yield redis
        await redis.aclose()
        for writer in self._open:
            writer.close()
        server.close()

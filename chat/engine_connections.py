"""The connections to engines: opened, kept for the next request, closed."""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import quote, unquote, urlsplit

import aiohappyeyeballs

from chat.engine_addresses import Addresses
from chat.engine_connection import EngineConnection
from gateway.metrics import ENGINE_WAIT
from modelops.serving.engine_tls import build_engine_tls

KEEP_ALIVE_S = 3.0
"""Shorter than the 5 s after which uvicorn, which vLLM runs on, closes an idle connection: reusing one
that is being closed would fail a request that never reached the engine."""

HAPPY_EYEBALLS_DELAY_S = 0.25
"""After which the next address of a name is tried beside the one that does not answer (RFC 8305)."""

PATH_CHARACTERS = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True)
class Origin:
    """Where an engine listens."""

    host: str
    port: int
    is_tls: bool


@dataclass(frozen=True)
class BaseUrl:
    """An engine's address as requests need it."""

    origin: Origin
    host_header: str
    path: str
    authorization: str
    """What the URL's name and password make of this header; empty without them."""


@lru_cache(maxsize=256)
def parse_base_url(url: str) -> BaseUrl:
    """Raises ValueError for what is no URL of HTTP."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url}: not the URL of an engine.")
    is_tls = parts.scheme == "https"
    usual_port = 443 if is_tls else 80
    port = parts.port or usual_port
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    name = f"[{host}]" if ":" in host else host
    host_header = name if port == usual_port else f"{name}:{port}"
    authorization = ""
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(login.encode()).decode()}"
    path = quote(parts.path, safe=PATH_CHARACTERS)
    return BaseUrl(Origin(host, port, is_tls), host_header, path, authorization)


class EngineConnections:
    """Idle connections by origin. One per web process."""

    def __init__(self, *, connect_timeout_s: float) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._addresses = Addresses()
        self._idle: dict[Origin, list[EngineConnection]] = {}
        self._open: set[EngineConnection] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def get(self, origin: Origin) -> EngineConnection:
        """A connection for one request. Raises OSError, or TimeoutError past the time-out."""
        idle = self._idle.get(origin)
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE_S
        while idle:
            connection = idle.pop()
            if connection.is_reusable and connection.idle_since > oldest:
                return connection
            connection.abort()
        began_at = time.perf_counter()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await self._connect(origin)
        finally:
            ENGINE_WAIT.observe(time.perf_counter() - began_at)

    def give_back(self, connection: EngineConnection, origin: Origin) -> None:
        """Keep the connection for another request, or end it where its answer has not ended."""
        if not connection.is_reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(KEEP_ALIVE_S, self._end_idle)

    def close(self) -> None:
        """End every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._idle.clear()
        for connection in tuple(self._open):
            connection.abort()

    async def _connect(self, origin: Origin) -> EngineConnection:
        addresses = await self._addresses.find(origin.host, origin.port)
        socket = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_S, interleave=1
        )
        try:
            _transport, connection = await asyncio.get_running_loop().create_connection(
                lambda: EngineConnection(self._open.discard),
                sock=socket,
                ssl=self._tls if origin.is_tls else None,
                server_hostname=origin.host if origin.is_tls else None,
            )
        except BaseException:
            socket.close()
            raise
        self._open.add(connection)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return build_engine_tls()

    def _end_idle(self) -> None:
        """End the connections that were idle for too long, and look again while there are others."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - KEEP_ALIVE_S
        for origin, idle in list(self._idle.items()):
            kept = []
            for connection in idle:
                if connection.is_reusable and connection.idle_since > oldest:
                    kept.append(connection)
                else:
                    connection.abort()
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]
        if self._idle:
            self._sweep = loop.call_later(KEEP_ALIVE_S, self._end_idle)

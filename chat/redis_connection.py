"""The web process's connections to Redis."""

from __future__ import annotations

from django.conf import settings
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.typing import EncodableT

REDIS_CONNECTIONS = 16

_serializer = HiredisRespSerializer()


class PacksInC(AbstractConnection):
    """Has hiredis write its commands, which redis-py's connections of asyncio do in Python.

    Measured with redis-py 8.1: 37 µs for a command of 30 arguments, 4 µs in C.
    """

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        packed: list[bytes] = _serializer.pack(*args)  # type: ignore[arg-type]  # annotated amiss there
        return packed


def connect_redis(url: str) -> Redis:
    """A client on a pool that blocks: a burst waits for a connection instead of failing."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=REDIS_CONNECTIONS,
        timeout=settings.REDIS_TIMEOUT_S,
        socket_timeout=settings.REDIS_TIMEOUT_S,
        socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        # A pooled connection that Redis has closed costs a second try, not a client's request. A Redis that
        # hangs is not waited for twice, which redis-py's own list of errors would do.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    # After the URL has said of which kind they are: TCP, TLS or a socket's path.
    pool.connection_class = type("Connection", (PacksInC, pool.connection_class), {})
    return Redis(connection_pool=pool)

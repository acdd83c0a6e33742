"""Commands that hiredis writes are those that redis-py's own connections would send."""

from __future__ import annotations

import pytest
from django.test import override_settings
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError

from accounts.tests.hanging_redis import Hanging
from chat.redis_connection import connect_redis

COMMANDS = (
    ("EVALSHA", "0" * 40, 2, "한글:key", b"\x00\xff", 12, -1, 0.25, 1e30),
    ("SCRIPT LOAD", "return 1"),
    (b"CLIENT SETINFO", "LIB-NAME", "redis-py"),
    ("SET", "empty", ""),
    ("SET", "large", b"x" * 100_000, memoryview(b"seen")),
)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://:secret@localhost:6379/3", Connection),
        ("rediss://localhost:6379/0", SSLConnection),
        ("unix:///run/redis.sock?db=1", UnixDomainSocketConnection),
    ],
)
def test_commands_are_packed_as_the_library_packs_them(url: str, kind: type[Connection]) -> None:
    pool = connect_redis(url).connection_pool

    connection = pool.make_connection()  # type: ignore[no-untyped-call]

    assert isinstance(connection, kind)
    for command in COMMANDS:
        expected = b"".join(map(bytes, kind.pack_command(connection, *command)))
        assert b"".join(connection.pack_command(*command)) == expected
    expected = b"".join(map(bytes, kind.pack_commands(connection, COMMANDS)))
    assert b"".join(map(bytes, connection.pack_commands(COMMANDS))) == expected


@override_settings(REDIS_TIMEOUT_S=0.1)
async def test_redis_that_hangs_is_waited_for_once() -> None:
    hanging = Hanging()
    async with hanging.running():
        redis = connect_redis(f"redis://127.0.0.1:{hanging.port}/0")

        with pytest.raises((RedisError, TimeoutError)):
            await redis.ping()

        await redis.aclose()
    assert hanging.connections == 1

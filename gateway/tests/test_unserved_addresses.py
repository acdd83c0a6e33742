"""Where a web process answers nobody: UNSERVED_ADDRESSES."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from uvicorn.server import ServerState

from gateway.conf import get_config
from gateway.management.commands import run_web
from gateway.management.commands.run_web import ServerConfig
from gateway.server_protocol import GatewayHttpProtocol, find_addresses

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def say_hello(scope: object, receive: object, send: object) -> None:
    assert callable(send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def ask(address: str, port: int) -> bytes:
    """The answer; empty where the connection was ended without one."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(REQUEST)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_connection_to_an_unserved_address_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(get_config(), unserved_addresses=("127.0.0.2",))
    monkeypatch.setattr(run_web, "get_config", lambda: config)
    server_config = ServerConfig(say_hello, http=GatewayHttpProtocol, lifespan="off", log_config=None)
    server_config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: GatewayHttpProtocol(config=server_config, server_state=state, app_state={}), "0.0.0.0", 0
    )
    async with server:
        port = server.sockets[0].getsockname()[1]

        served, unserved = await ask("127.0.0.1", port), await ask("127.0.0.2", port)

    assert b"hello" in served
    assert unserved == b""


def test_names_stand_for_addresses_and_unknown_ones_for_none() -> None:
    assert "127.0.0.1" in find_addresses(["localhost", "no-such-name.invalid"])

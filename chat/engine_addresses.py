"""The addresses of engines' names, asked once for all requests of a few seconds."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

KEEP_S = 10.0
"""How long addresses are used again without a question."""

AddressInfo = tuple[Any, Any, int, str, Any]


class Addresses:
    """Looks up names. Requests at the same time share one question."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[float, asyncio.Task[list[AddressInfo]]]] = {}
        self._turn = 0

    async def find(self, host: str, port: int) -> list[AddressInfo]:
        """All addresses; another one is the first each time, which spreads the load. Raises OSError."""
        now = time.monotonic()
        asked_at, question = self._found.get((host, port), (0.0, None))
        if question is None or now - asked_at > KEEP_S or has_failed(question):
            question = asyncio.create_task(_look_up(host, port))
            self._found[host, port] = (now, question)
        # Shielded: another request may wait for the same answer.
        addresses = await asyncio.shield(question)
        self._turn += 1
        first = self._turn % len(addresses)
        return addresses[first:] + addresses[:first]


def has_failed(question: asyncio.Task[list[AddressInfo]]) -> bool:
    return question.done() and (question.cancelled() or question.exception() is not None)


async def _look_up(host: str, port: int) -> list[AddressInfo]:
    try:
        # An address written in digits needs no thread.
        return socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except socket.gaierror:
        pass
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    if not found:
        raise OSError(f"{host} has no address.")
    return list(found)

"""One HTTP/1.1 connection to an engine: sends a request, and hands its answer on as it arrives.

A piece of the answer goes from the socket to who takes it in one call, without waking a task: docs/adr/0010.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, cast

import httptools

Take = Callable[[bytes], Coroutine[Any, Any, None] | None]
"""Takes a piece of an answer. What it returns is awaited before it is given the next piece."""

MAX_HEAD_BYTES = 64 * 1024
MAX_HELD_BYTES = 64 * 1024
"""What is read ahead for somebody who does not take it yet, give or take one read."""


class BrokenOff(Exception):
    """The connection ended before the answer did, or what came on it is no HTTP."""


class EngineConnection(asyncio.Protocol):
    """Carries one request at a time. Who uses it has it for itself until the answer `is_complete`."""

    def __init__(self, forget: Callable[[EngineConnection], None]) -> None:
        """`forget` is called when the connection is lost."""
        self._forget = forget
        self._transport = cast("asyncio.Transport", None)
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # Spaces and line ends that other clients accept, too.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._waiter: asyncio.Future[None] | None = None
        self._is_broken = False
        self._may_be_kept = True
        self.idle_since = 0.0
        """When its last answer ended, in the loop's time."""
        self._expect_nothing()
        self.is_complete = True
        self._is_write_paused = False

    def _expect_nothing(self) -> None:
        self.status = 0
        """The answer's status; 0 until its head is complete."""
        self.content_encoding = ""
        self.content_type = ""
        self.metadata = ""
        """The header in which vLLM describes numbers that it sends as bytes."""
        self._head_bytes = 0
        self._held_bytes = 0
        self._is_paused = False
        self._is_framed = False
        self._take: Take | None = None
        self._busy: Coroutine[Any, Any, None] | None = None
        self._failure: Exception | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether the answer has ended, and another request may follow."""
        return self.is_complete and self._may_be_kept and not self._transport.is_closing()

    async def request(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the head of its answer. Raises BrokenOff."""
        self._expect_nothing()
        self.is_complete = False
        self._transport.writelines((head, body))
        while not self.status:
            await self._wait()

    async def send(self, head: bytes, pieces: AsyncGenerator[bytes]) -> None:
        """`request` with a body that is sent as the engine takes it.

        An engine that answers before it has all of it gets no more. Raises BrokenOff.
        """
        self._expect_nothing()
        self.is_complete = False
        self._transport.write(head)
        async with aclosing(pieces):
            async for piece in pieces:
                if self.status or self._is_broken:
                    self._may_be_kept = False
                    break
                self._transport.write(piece)
                while self._is_write_paused and not self.status:
                    await self._wait()
        while not self.status:
            await self._wait()

    async def relay(self, take: Take) -> None:
        """Give the body to `take`, all that one read brought at a time; returns at its end.

        Raises BrokenOff, and what `take` raises: then it is called no more.
        """
        try:
            while True:
                if self._failure is not None:
                    failure, self._failure = self._failure, None
                    try:
                        raise failure
                    finally:
                        del failure  # its traceback refers to this frame
                if self._busy is not None:
                    await self._busy
                    self._busy = None
                elif self._pieces:
                    self._take = take
                    self._hand_on()
                elif self.is_complete:
                    return
                else:
                    self._resume()
                    self._take = take
                    await self._wait()
        finally:
            self._take = None
            if self._busy is not None:
                self._busy.close()
                self._busy = None

    def abort(self) -> None:
        """End the connection at once, and with it what the engine generates for it."""
        self._may_be_kept = False
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._is_broken:
            raise BrokenOff
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _hand_on(self) -> None:
        """Give what has arrived to the taker, which is there and not busy."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        try:
            self._busy = self._take(data)  # type: ignore[misc]
        except Exception as exc:
            self._failure = exc
        if self._busy is not None or self._failure is not None:
            self._take = None
            self._wake()

    def _hold(self, data: bytes) -> None:
        """Nobody takes it now: stop reading when too much is held."""
        if not self.status:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._break_off()
        elif not self.is_complete:
            self._held_bytes += len(data)
            if self._held_bytes > MAX_HELD_BYTES and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()

    def _resume(self) -> None:
        self._held_bytes = 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _break_off(self) -> None:
        self._is_broken = True
        self.abort()
        self._wake()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break_off()
            return
        if self._take is None:
            self._hold(data)
        elif self._pieces:
            self._hand_on()
        if self.is_complete:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._parser = None  # it refers to this connection
        if not self.is_complete:
            # A body without a length ends with its connection.
            self.is_complete = exc is None and self.status > 0 and not self._is_framed
            self._is_broken = not self.is_complete
        self._may_be_kept = False
        self._wake()
        self._forget(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.is_complete:
            self._may_be_kept = False  # an answer that nobody asked for
        else:
            self._is_framed, self.content_encoding = False, ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status or self.is_complete:
            return  # a trailer
        name = name.lower()
        if name == b"content-length":
            self._is_framed = True
        elif name == b"transfer-encoding":
            self._is_framed = value.lower().endswith(b"chunked")
        elif name == b"content-encoding":
            self.content_encoding = value.decode("latin-1").strip().lower()
        elif name == b"content-type":
            self.content_type = value.decode("latin-1").strip().lower()
        elif name == b"metadata":
            self.metadata = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.is_complete or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status >= 200:  # one below is an interim response (RFC 9110, 15.2)
            self.status = status
            self._wake()

    def on_message_complete(self) -> None:
        if self.status and self._parser is not None:
            self.is_complete = True
            self._may_be_kept = self._may_be_kept and self._parser.should_keep_alive()

"""The client's side of an answer: sends to it, notices its disconnect, pings while nothing comes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Receive, Send

from chat.generation import Generation, Timeouts
from chat.sse import EVENT_STREAM_HEADERS, PING
from gateway.http import WriteNow

Headers = list[tuple[bytes, bytes]]

PIECE_BYTES = 256 * 1024


class Client:
    """Sends one answer. It starts with the first bytes, so that an early failure keeps its status."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        headers: Headers,
        *,
        is_stream: bool,
        timeouts: Timeouts,
        write_now: WriteNow | None = None,
        storing: asyncio.Task[None] | None = None,
    ) -> None:
        """`write_now` is the server's short way for pieces of the body, where it has one.

        Nothing is sent before `storing` has ended well.
        """
        self._receive = receive
        self._send = send
        self._headers = headers
        self._timeouts = timeouts
        self._is_stream = is_stream
        self._write_now = write_now
        self._storing = storing
        self._sending: asyncio.Timeout | None = None
        self._sent_at = time.monotonic()
        self._watching: asyncio.Timeout | None = None
        self.has_started = False
        self.has_left = False

    def pass_on(self, data: bytes) -> Coroutine[Any, Any, None] | None:
        """Send a piece of the stream: at once where the client keeps up, else by what this returns."""
        if self._write_now is not None and self.has_started and self._write_now(data):
            self._sent_at = time.monotonic()
            return None
        return self.deliver(data)

    async def deliver(self, data: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the stream; does nothing when the client has left.

        A client that accepts nothing for `send_s` counts as gone. While the answer runs its attendant task
        enforces that, which saves a timer for every piece; the last piece has a timer of its own.
        """
        if self.has_left:
            return
        try:
            async with asyncio.timeout(self._timeouts.send_s if is_last else None) as self._sending:
                if not self.has_started:
                    await self._start(200, [*EVENT_STREAM_HEADERS, *self._headers])
                await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
        except TimeoutError:
            self.has_left = True
        finally:
            self._sending = None
            self._sent_at = time.monotonic()

    async def answer(self, body: bytes) -> None:
        """Send a whole JSON answer, in pieces: the server keeps one for a reader that takes nothing, not all.

        A client that accepts no piece for `send_s` counts as gone.
        """
        length = (b"content-length", str(len(body)).encode())
        last = max(0, len(body) - 1) // PIECE_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeouts.send_s):
                await self._start(200, [(b"content-type", b"application/json"), length, *self._headers])
            for number in range(last + 1):
                piece = body[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
                message = {"type": "http.response.body", "body": piece, "more_body": number < last}
                async with asyncio.timeout(self._timeouts.send_s):
                    await self._send(message)

    async def _start(self, status: int, headers: Headers) -> None:
        if self._storing is not None:
            await asyncio.shield(self._storing)
        self.has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    @asynccontextmanager
    async def attended(self, generation: Generation) -> AsyncIterator[None]:
        """Inside the context, a task stops the generation on disconnects and deadlines, and sends pings."""
        attendant = asyncio.create_task(self._attend(generation))
        generation.on_admission = self._look_again
        try:
            async with generation.stoppable():
                yield
        finally:
            attendant.cancel()

    async def _attend(self, generation: Generation) -> None:
        timeouts = self._timeouts
        while True:
            if await self._leaves_before(min(generation.deadline, self._next_check())):
                generation.client_left()
            now = time.monotonic()
            generation.check_deadline(now)
            if self.has_left or not self._is_stream:
                continue
            if self._sending is not None:
                if now >= self._sent_at + timeouts.send_s:
                    self._give_up()
                    generation.client_left()
            elif now >= self._sent_at + timeouts.ping_s and not await self._ping():
                self._give_up()
                generation.client_left()

    async def _ping(self) -> bool:
        """Send a ping, if anything may be sent; False when the client does not accept it within `send_s`.

        It has a timer of its own, because the attendant task sends it.
        """
        if self._storing is not None and (not self._storing.done() or self._storing.exception()):
            self._sent_at = time.monotonic()
            return True
        try:
            async with asyncio.timeout(self._timeouts.send_s):
                if not self.has_started:
                    await self._start(200, [*EVENT_STREAM_HEADERS, *self._headers])
                await self._send({"type": "http.response.body", "body": PING, "more_body": True})
        except TimeoutError:
            return False
        self._sent_at = time.monotonic()
        return True

    def _next_check(self) -> float:
        """When to check again whether the client is stuck, or a ping is due."""
        timeouts = self._timeouts
        if self.has_left or not self._is_stream:
            return math.inf
        if self._sending is not None:
            return self._sent_at + timeouts.send_s
        return min(self._sent_at + timeouts.ping_s, time.monotonic() + timeouts.send_s)

    async def _leaves_before(self, deadline: float) -> bool:
        """True when the client leaves before `deadline` (`time.monotonic`), False at the deadline."""
        wait_s = max(0.0, deadline - time.monotonic())
        if self.has_left:
            await asyncio.sleep(wait_s)
            return False
        try:
            async with asyncio.timeout(wait_s) as self._watching:
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        finally:
            self._watching = None
        self.has_left = True
        return True

    def _look_again(self) -> None:
        """Wake the attendant task, because the generation's deadline has changed."""
        if self._watching is not None and not self._watching.expired():
            self._watching.reschedule(asyncio.get_running_loop().time())

    def _give_up(self) -> None:
        """The client accepted nothing for too long: cancel the send that waits for it."""
        self.has_left = True
        if self._sending is not None:
            self._sending.reschedule(asyncio.get_running_loop().time())

"""The client's side of an answer: sends to it, notices its disconnect, pings while nothing comes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.types import Receive, Send

from chat.generation import Generation, Timeouts
from chat.sse import EVENT_STREAM_HEADERS, PING
from gateway.http import JSON_CONTENT_TYPE, ShortWay

Headers = list[tuple[bytes, bytes]]

JSON_CONTENT: Headers = [JSON_CONTENT_TYPE]

PIECE_BYTES = 256 * 1024
AT_ONCE = contextlib.nullcontext()


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
        short_way: ShortWay | None = None,
        storing: asyncio.Task[None] | None = None,
    ) -> None:
        """Nothing is sent before `storing` has ended well."""
        self._receive = receive
        self._send = send
        self._headers = headers
        self._timeouts = timeouts
        self._is_stream = is_stream
        self._short_way = short_way
        self._storing = storing
        self._sending: asyncio.Timeout | None = None
        self._sent_at = time.monotonic()
        self._generation: Generation | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._pinging: asyncio.Task[None] | None = None
        self.has_started = False
        self.has_left = False

    def pass_on(self, data: bytes) -> Coroutine[Any, Any, None] | None:
        """Send a piece of the stream: at once where the client keeps up, else by what this returns."""
        if self._write_now(data):
            self._sent_at = time.monotonic()
            return None
        return self.deliver(data)

    def _write_now(self, data: bytes) -> bool:
        return self._short_way is not None and self.has_started and self._short_way.write(data)

    async def deliver(self, data: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the stream; does nothing when the client has left.

        A client that accepts nothing for `send_s` counts as gone. While the answer is attended, that is
        checked now and then, which saves a timer for every piece; the last piece has a timer of its own.
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

    async def answer(self, body: bytes, *, content: Headers = JSON_CONTENT) -> None:
        """Send a whole JSON answer, in pieces: the server keeps one for a reader that takes nothing, not all.

        A client that accepts no piece for `send_s` counts as gone.
        """
        length = (b"content-length", str(len(body)).encode())
        last = max(0, len(body) - 1) // PIECE_BYTES
        with contextlib.suppress(TimeoutError):
            for number in range(last + 1):
                piece = body[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
                message = {"type": "http.response.body", "body": piece, "more_body": number < last}
                async with self._time_to_send():
                    if not self.has_started:
                        await self._start(200, [*content, length, *self._headers])
                    await self._send(message)

    def _time_to_send(self) -> AbstractAsyncContextManager[object]:
        """Bounds a send that may wait. For one that will not, a timer costs a hundredth of a short answer."""
        if self._short_way is not None and self._short_way.is_free and self._is_stored():
            return AT_ONCE
        return asyncio.timeout(self._timeouts.send_s)

    async def _start(self, status: int, headers: Headers) -> None:
        if self._storing is not None:
            await asyncio.shield(self._storing)
        self.has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    @asynccontextmanager
    async def attended(self, generation: Generation) -> AsyncIterator[None]:
        """Inside the context, disconnects and deadlines stop the generation, and pings fill silence."""
        self._generation = generation
        generation.on_new_deadline = self._set_alarm
        self._watch()
        self._set_alarm()
        try:
            async with generation.stoppable():
                yield
        finally:
            # What refers to one another here would be garbage to collect.
            self._generation = generation.on_new_deadline = None
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
            if self._short_way is not None:
                self._short_way.watch(None)
            for task in (self._watching, self._pinging):
                if task is not None:
                    task.cancel()

    def _watch(self) -> None:
        """Have `_leave` called when the client disconnects: by the server, or by a task that waits."""
        if self._short_way is not None:
            self._short_way.watch(self._leave)
        else:
            self._watching = asyncio.create_task(self._wait_for_disconnect())

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        self.has_left = True
        if self._generation is not None:
            self._generation.client_left()
            self._set_alarm()

    def _set_alarm(self) -> None:
        """Have `_look` called at the next time at which there may be something to do."""
        if self._generation is None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        delay_s = min(self._generation.deadline, self._next_check()) - time.monotonic()
        self._alarm = asyncio.get_running_loop().call_later(max(0.0, delay_s), self._look)

    def _look(self) -> None:
        generation, now = self._generation, time.monotonic()
        if generation is None:
            return
        generation.check_deadline(now)
        if self._is_stream and not self.has_left and self._pinging is None:
            if self._sending is not None:
                if now >= self._sent_at + self._timeouts.send_s:
                    self._give_up()
            elif now >= self._sent_at + self._timeouts.ping_s:
                self._ping()
        self._set_alarm()

    def _ping(self) -> None:
        if not self._is_stored() or self._write_now(PING):
            self._sent_at = time.monotonic()
        else:
            self._pinging = asyncio.create_task(self._send_ping())

    def _is_stored(self) -> bool:
        storing = self._storing
        return storing is None or (storing.done() and not storing.cancelled() and storing.exception() is None)

    async def _send_ping(self) -> None:
        """Send a ping; a client that does not accept it within `send_s` counts as gone."""
        try:
            async with asyncio.timeout(self._timeouts.send_s):
                if not self.has_started:
                    await self._start(200, [*EVENT_STREAM_HEADERS, *self._headers])
                await self._send({"type": "http.response.body", "body": PING, "more_body": True})
        except TimeoutError:
            self._give_up()
        self._sent_at = time.monotonic()
        self._pinging = None
        self._set_alarm()

    def _next_check(self) -> float:
        """When to check again whether the client is stuck, or a ping is due."""
        timeouts = self._timeouts
        if self.has_left or not self._is_stream or self._pinging is not None:
            return math.inf
        if self._sending is not None:
            return self._sent_at + timeouts.send_s
        return min(self._sent_at + timeouts.ping_s, time.monotonic() + timeouts.send_s)

    def _give_up(self) -> None:
        """The client accepted nothing for too long: cancel the send that waits for it."""
        if self._sending is not None:
            self._sending.reschedule(asyncio.get_running_loop().time())
        self._leave()

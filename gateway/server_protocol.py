"""uvicorn's HTTP protocol with what uvicorn leaves open: heads without end, half-closed clients, bad HTTP.

A client that sends its head byte by byte would keep a connection for ever, and one whose headers never end
fill the process's memory. Bodies are bounded in `gateway.http`, idle connections by uvicorn itself.
"""

from __future__ import annotations

import asyncio
import re
import socket
import uuid
import weakref
from collections.abc import Callable, Iterable
from typing import cast

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.conf import get_config
from gateway.errors import InvalidRequest, to_envelope
from gateway.http import SHORT_WAY

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
FIRST_LOOK_S = 0.05
LONGEST_LOOK_S = 1.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class DirectAnswer:
    """The short way for a request: past `send` and `receive`, and what the front wraps them in.

    It does what uvicorn's `send` does for a piece of a body, and tells when the client is gone.
    """

    __slots__ = ("_cycle", "_on_gone")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        # The cycle holds the scope, which holds this: a strong reference would be garbage to collect.
        self._cycle = weakref.ref(cycle)
        self._on_gone: Callable[[], None] | None = None

    @property
    def has_whole_body(self) -> bool:
        cycle = self._cycle()
        return cycle is not None and not cycle.more_body

    @property
    def is_free(self) -> bool:
        cycle = self._cycle()
        return cycle is not None and not cycle.flow.write_paused

    def write(self, data: bytes) -> bool:
        """False when nothing was written: the client is slow or gone, or its answer is not being streamed."""
        cycle = self._cycle()
        if (
            not data  # the end of a body, as a chunk
            or cycle is None
            or cycle.flow.write_paused
            or cycle.disconnected
            or not cycle.chunked_encoding
            or not cycle.response_started
            or cycle.response_complete
        ):
            return False
        cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def watch(self, on_gone: Callable[[], None] | None) -> None:
        self._on_gone = on_gone
        cycle = self._cycle()
        if on_gone is not None and (cycle is None or cycle.disconnected):
            asyncio.get_running_loop().call_soon(self.note_gone)

    def note_gone(self) -> None:
        """The connection is lost."""
        if (on_gone := self._on_gone) is not None:
            self._on_gone = None
            on_gone()


def find_addresses(names: Iterable[str]) -> frozenset[str]:
    """What these names stand for just now. One that stands for nothing is logged, and left out."""
    found = set()
    for name in names:
        try:
            found |= {str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
        except OSError as exc:
            log.warning("unserved_address_unknown", host=name, error=str(exc))
    return frozenset(found)


_offer = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n)", re.IGNORECASE)


def without_offer_of_http2(data: bytes) -> bytes:
    """The beginning of a request without its `Upgrade: h2c`, which a server may ignore (RFC 9110, 7.8).

    Java's HttpClient offers it with every first request over plain HTTP. uvicorn's parser stops at the offer,
    and the body is lost.
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    return _offer.sub(b"", head + b"\r\n", 1).removesuffix(b"\r\n") + blank + body


class GatewayHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is not there in BODY_TIMEOUT seconds or MAX_HEAD_BYTES.

    A client that closes its sending side after its request gets its answer all the same, and bytes that are
    no HTTP get the envelope of `gateway.errors`.
    """

    _look_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_head = False
    _short_way: DirectAnswer | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.server is not None and self.server[0] in getattr(self.config, "unserved_addresses", ()):
            transport.abort()
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)
        if self._short_way is not None:
            self._short_way.note_gone()

    def data_received(self, data: bytes) -> None:
        if not self._is_in_body() and b"HTTP2-Settings" in data:
            data = without_offer_of_http2(data)
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        # A head that is not whole in its first piece: rare among honest clients, so only now a timer.
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")
        elif self._head_timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            self._short_way = DirectAnswer(self.cycle)
            cast("dict[str, object]", self.scope)[SHORT_WAY] = self._short_way

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(get_config().body_timeout_s, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection while an answer is due. A reader that leaves its running answer is let go.

        A client that closed its connection as a whole looks the same at first. An interim response (RFC 9110,
        15.2) tells them apart: the kernel of a closed peer answers any bytes with a reset.
        """
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.response_complete or self._is_in_head:
            return False
        if cycle.response_started:
            return False
        cycle.keep_alive = False
        if not self.pipeline and cycle.scope["http_version"] == "1.1":
            self.transport.write(CONTINUE)
        self._look_again_in(FIRST_LOOK_S)
        return True

    def _look_again_in(self, delay_s: float) -> None:
        self._look_timer = self.loop.call_later(delay_s, self._look_for_reader, delay_s)

    def _look_for_reader(self, delay_s: float) -> None:
        """End the connection when the peer has reset it, which nobody else sees once reading has ended."""
        if self.transport.is_closing():
            return
        with socket.fromfd(
            self.transport.get_extra_info("socket").fileno(), socket.AF_INET, socket.SOCK_STREAM
        ) as connection:
            is_reset = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        if is_reset:
            self.transport.abort()
        else:
            self._look_again_in(min(delay_s * 2, LONGEST_LOOK_S))

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP, unless they came in the middle of another answer, and close."""
        if not self.pipeline and not self._is_answering():
            request_id = uuid.uuid4().hex
            log.warning("request_refused", request_id=request_id, reason=msg)
            body = msgspec.json.encode(to_envelope(InvalidRequest(msg)))
            headers = [
                *self.server_state.default_headers,
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"x-request-id", request_id.encode()),
                (b"connection", b"close"),
            ]
            lines = [b"%s: %s\r\n" % header for header in headers]
            self.transport.write(b"".join([STATUS_LINE[400], *lines, b"\r\n", body]))
        self.transport.close()

    def _is_in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _is_answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete

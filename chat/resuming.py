"""GET …/messages/{id}/stream: what a client has not seen yet of an answer that is or was streamed."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from accounts.scopes import Scope as Scopes
from chat.answer_feeds import AnswerFeed, AnswerFeeds
from chat.generation import Timeouts
from chat.positions import (
    HEADER,
    START,
    AnswerText,
    Position,
    id_line,
    read_event_id,
    split_rest,
    tag_of,
)
from chat.rendering import usage_in
from chat.sse import DONE, EVENT_STREAM_HEADERS, PING, data_event, error_event
from chat.web_runtime import get_runtime
from conversations.models import MessageStatus
from conversations.replies import INTERRUPTED
from conversations.stored_answers import AnswerQuery, StoredAnswer
from gateway.errors import GatewayError, InternalError, InvalidRequest, UpstreamRejected
from gateway.wording import fill_in

log = structlog.get_logger()


async def resume_answer(request: Request) -> Response:
    """Continues after `Last-Event-ID`; without one, from the beginning of the answer."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.admit_event_stream(request, Scopes.HISTORY)
    query = AnswerQuery(
        principal.user_id, request.path_params["conversation_id"], request.path_params["message_id"]
    )
    stored = await runtime.feeds.read(query)
    tag = tag_of(stored.id, stored.request_id)
    position = read_event_id(request.headers.get(HEADER), tag)
    check_position(position, stored)
    return ResumedAnswer(query, stored, runtime.feeds, position=position, timeouts=runtime.timeouts)


def check_position(position: Position | None, stored: StoredAnswer) -> None:
    """Raises InvalidRequest for a position that an answer never had which is complete.

    One that is running may have come further than its row says, and one whose process died as well.
    """
    is_known = not stored.is_streaming and stored.error_code != INTERRUPTED
    if position is not None and is_known and position.exceeds(AnswerText.of_row(stored)):
        raise InvalidRequest(
            fill_in("{header}: not the id of an event of this answer.", header=HEADER), param=HEADER
        )


class ResumedAnswer(Response):
    """Events in the form of OpenAI's chunks: the rest of the answer, how it ended, and `[DONE]`."""

    def __init__(
        self,
        query: AnswerQuery,
        stored: StoredAnswer,
        feeds: AnswerFeeds,
        *,
        position: Position | None,
        timeouts: Timeouts,
    ) -> None:
        self.background = None
        self._query = query
        self._stored = stored
        self._feeds = feeds
        self._position = position or START
        self._timeouts = timeouts
        self._tag = tag_of(stored.id, stored.request_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
        scope["gateway.log"]["outcome"] = _outcome(results[0])

    async def _send_all(self, send: Send) -> str:
        """Returns the code of the error that the answer ended with, or `ended`."""
        await self._send(
            send, {"type": "http.response.start", "status": 200, "headers": self._make_headers()}
        )
        await self._send_body(send, self._chunk({"role": "assistant", "content": ""}, **self._ids()))
        error: GatewayError | None = None
        try:
            with self._feeds.open(self._query, self._stored) as feed:
                await self._follow(send, feed)
                self._stored = feed.stored
                await self._say(send, AnswerText.of_row(self._stored))
        except GatewayError as exc:
            error = exc
        except TimeoutError:
            raise  # the client takes nothing
        except Exception:
            log.exception("resuming_failed", message_id=self._stored.id)
            error = InternalError()
        end = error_event(error) + DONE if error else self._end()
        await self._send(send, {"type": "http.response.body", "body": end, "more_body": False})
        return error.code if error else self._stored.error_code or "ended"

    async def _follow(self, send: Send, feed: AnswerFeed) -> None:
        """Send what is said, until the answer's row is closed."""
        while True:
            try:
                async with asyncio.timeout(self._timeouts.ping_s):
                    said = await feed.next()
            except TimeoutError:
                await self._send_body(send, PING)
                continue
            if said is None:
                return
            await self._say(send, said)

    async def _say(self, send: Send, said: AnswerText) -> None:
        """Send what of it has not been sent."""
        for delta, position in split_rest(said, self._position):
            self._position = position
            await self._send_body(send, self._chunk(delta))

    def _end(self) -> bytes:
        """How a closed answer ended, after its text."""
        stored = self._stored
        if stored.status == MessageStatus.ERROR:
            return error_event(error_with(stored.error_code, stored.error_message)) + DONE
        is_cancelled = stored.status == MessageStatus.CANCELLED
        events = [self._chunk({}, finish_reason="cancelled" if is_cancelled else stored.finish_reason)]
        if (usage := usage_in(stored)) is not None:
            events.append(data_event({**self._head(), "choices": [], "usage": usage}))
        return b"".join([*events, DONE])

    def _make_headers(self) -> list[tuple[bytes, bytes]]:
        omitted = self._stored.omitted_messages
        return [
            *EVENT_STREAM_HEADERS,
            (b"x-conversation-id", str(self._stored.conversation_id).encode()),
            (b"x-message-id", str(self._stored.id).encode()),
            *([(b"x-omitted-messages", str(omitted).encode())] if omitted else []),
        ]

    def _ids(self) -> dict[str, Any]:
        return {"conversation_id": self._stored.conversation_id, "message_id": self._stored.id}

    def _head(self) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._stored.id.hex}",
            "object": "chat.completion.chunk",
            "created": int(self._stored.created_at.timestamp()),
            "model": self._stored.model,
        }

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None, **ids: Any) -> bytes:
        """An event, with the id of the position that the client has with it."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason or None}
        event = data_event({**ids, **self._head(), "choices": [choice]})
        return id_line(self._tag, self._position) + event

    async def _send_body(self, send: Send, body: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        """Raises TimeoutError when the client accepts nothing for `send_s`."""
        async with asyncio.timeout(self._timeouts.send_s):
            await send(message)


def error_with(code: str, message: str) -> GatewayError:
    """The error that has this code, with its default message where there is none.

    An InternalError for a code of nobody.
    """
    kinds: list[type[GatewayError]] = [GatewayError]
    while kinds:
        kind = kinds.pop(0)
        if kind.code == code and kind is not UpstreamRejected:
            return kind(message or None)
        kinds += kind.__subclasses__()
    return InternalError()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _outcome(result: str | BaseException) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, TimeoutError):
        return "too_slow"
    if isinstance(result, asyncio.CancelledError):
        return "client_left"
    raise result

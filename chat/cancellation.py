"""Stops an answer in whichever process generates it: the request is stored in its row, then published."""

from __future__ import annotations

import uuid

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chat.recording import Recorder
from chat.registry import Registry
from conversations.models import ResponseStatus, StoredResponse
from conversations.replies import CancelRequest
from conversations.stored_responses import ResponseKey
from gateway.errors import NotFound
from gateway.ids import parse_id

log = structlog.get_logger()

CHANNEL = "gateway:cancel"
LISTEN_S = 30.0


class Cancellation:
    """Stops answers of this process and, through Redis, of every other one.

    A published message may get lost; the row is authoritative. A process that lost its connection to Redis
    reads the rows of its own answers when it is connected again.
    """

    def __init__(
        self, *, registry: Registry, responses: Registry, recorder: Recorder, redis: Redis | None
    ) -> None:
        """`responses` are stored ones of OpenAI's API, which have rows of their own."""
        self._registry = registry
        self._responses = responses
        self._recorder = recorder
        self._redis = redis
        self._without_row: frozenset[uuid.UUID] = frozenset()

    async def cancel(self, request: CancelRequest) -> str:
        """Stop the answer; returns the status that it had. Raises NotFound."""
        status = await self._recorder.request_cancel(request)
        if status is None:
            raise NotFound("There is no such answer.")
        if not self._registry.stop(request.message_id):
            await self._publish(request.message_id)
        return status

    async def cancel_response(self, key: ResponseKey) -> StoredResponse:
        """Stop a stored response; its row. Raises NotFound."""
        row = await self._recorder.cancel_response(key)
        if not self._responses.stop(key.id) and row.status == ResponseStatus.CANCELLED:
            await self._publish(key.id)
        return row

    async def _publish(self, answer_id: uuid.UUID) -> None:
        """Tell the process that generates the answer, which may be another one."""
        if self._redis is None:
            return
        try:
            await self._redis.publish(CHANNEL, str(answer_id))
        except (RedisError, OSError) as exc:
            log.error("cancel_signal_failed", error=type(exc).__name__)

    async def listen(self) -> None:
        """Stop this process's answers on requests to other processes; returns when Redis is lost."""
        if self._redis is None:
            return
        try:
            await self._listen(self._redis)
        except (RedisError, OSError) as exc:
            log.warning("cancel_listener_disconnected", error=type(exc).__name__)

    async def _listen(self, redis: Redis) -> None:
        async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            await self.catch_up()
            while True:
                message = await pubsub.get_message(timeout=LISTEN_S)
                message_id = parse_id(_text(message["data"])) if message else None
                if message_id is not None and not self._registry.stop(message_id):
                    self._responses.stop(message_id)

    async def catch_up(self) -> None:
        """Stop the answers of this process whose rows have a stop request."""
        own = frozenset(self._registry.snapshot())
        if own:
            for message_id in await self._recorder.find_cancel_requests(own):
                self._registry.stop(message_id)
        await self.stop_ended_responses()

    async def stop_ended_responses(self) -> None:
        """Stop the responses of this process that are in progress in no row: cancelled, or removed."""
        if responses := frozenset(self._responses.snapshot()):
            for response_id in await self._recorder.find_ended_responses(responses):
                self._responses.stop(response_id)

    async def stop_removed(self) -> None:
        """Stop the answers of this process whose rows are gone, as their account is, for instance.

        Those that have no row twice in a row: one that has just begun may not have one yet.
        """
        own = frozenset(self._registry.snapshot())
        without_row = frozenset(await self._recorder.find_removed(own)) if own else frozenset()
        for message_id in without_row & self._without_row:
            self._registry.stop(message_id)
        self._without_row = without_row


def _text(data: bytes | str) -> str:
    return data.decode() if isinstance(data, bytes) else data

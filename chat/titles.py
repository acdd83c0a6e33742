"""Titles of new conversations, by the model that answered: in the background, when it is not busy."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from accounts.principals import Principal
from accounts.usage.log import UsageLog
from accounts.usage.spent import Spent
from chat.endpoints import CHAT_COMPLETIONS
from chat.engine_admission import Board, EngineAdmission
from chat.generation import Generation
from chat.prompt_cache import salt_fields
from chat.spending import bounded
from chat.title_text import ask_for_title, clean_title, first_question
from chat.transcript import Usage
from chat.upstream import EngineCall, EngineGateway
from conversations.new_turns import Turn
from conversations.titles import FoundTitle, find_untitled, store_titles
from gateway.batching import BatchWorker
from gateway.bodies import NOT_JSON
from gateway.conf import GatewayConfig
from gateway.errors import GatewayError, UpstreamRejected, UpstreamUnavailable
from modelops.serving.board import BoardSnapshot
from modelops.serving.routes import Route

log = structlog.get_logger()

ENDPOINT = "title"
"""What their tokens are counted under in the usage of the conversation's owner."""
TITLES_AT_A_TIME = 2
MOST_WAITING = 32
"""More conversations than that keep the beginning of their first message."""
MOST_RUNNING = 4
"""Requests of this process at the engine, with which it counts as busy."""
TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_TOKENS = 32
TEMPERATURE = 0.2
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
"""Models that think would use up the tokens with it. Chat templates ignore what they do not know."""


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: Usage | None = None

    @property
    def title(self) -> str:
        """Empty where there is none, and for one that broke off."""
        if not self.choices or self.choices[0].finish_reason == "length":
            return ""
        return clean_title(self.choices[0].message.content or "")


@dataclass(frozen=True, slots=True)
class TitleRequest:
    conversation_id: uuid.UUID
    owner_id: uuid.UUID
    key_id: uuid.UUID | None
    model: str
    prompt: str
    is_new: bool = True
    """Whether its first turn made the conversation; one that was there may have been given a title."""


class TitleWriter:
    """Asks for titles; one per web process. Nothing waits for it, and what it cannot do at once is dropped.

    A busy engine, a switch, a failure or an odd answer leave the title that the conversation has.
    """

    def __init__(
        self,
        config: GatewayConfig,
        board: Board,
        admission: EngineAdmission,
        engine: EngineGateway,
        *,
        worker: BatchWorker,
        usage: UsageLog,
    ) -> None:
        self._config = config
        self._admission = admission
        self._engine = engine
        self._worker = worker
        self._usage = usage
        self._turn = asyncio.Semaphore(TITLES_AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_engine: dict[asyncio.Task[None], str] = {}
        """The slots whose engine is being asked."""
        self._is_stopped = False
        board.subscribe(self._leave_closed_slots)

    def after(self, turn: Turn, principal: Principal, *, is_new: bool) -> Callable[[Generation], None] | None:
        """What to call when the answer of a conversation's first turn, which made it or not, is complete."""
        if not self._config.auto_titles:
            return None

        def offer(generation: Generation) -> None:
            question, answer = first_question(turn.prompt), generation.transcript.content
            self.offer(
                TitleRequest(
                    conversation_id=turn.conversation_id,
                    owner_id=principal.user_id,
                    key_id=principal.key_id,
                    model=generation.model,
                    prompt=ask_for_title(question, answer),
                    is_new=is_new,
                )
            )

        return offer

    def offer(self, request: TitleRequest) -> None:
        """Find a title soon, unless too many conversations wait for one."""
        if len(self._tasks) < MOST_WAITING and not self._is_stopped:
            task = asyncio.create_task(self._run(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Drop whatever is not finished, and what comes from now on."""
        self._is_stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, request: TitleRequest) -> None:
        try:
            async with self._turn, asyncio.timeout(TIMEOUT_S):
                await self._write_title(request)
        except (GatewayError, TimeoutError, *NOT_JSON) as exc:
            log.info("title_not_written", error=type(exc).__name__)
        except Exception:
            log.exception("title_not_written")

    async def _write_title(self, request: TitleRequest) -> None:
        if not request.is_new and not await self._worker.submit(find_untitled, request.conversation_id):
            return
        task: Any = asyncio.current_task()
        admitted = self._admission.try_admit_spare(
            request.model, lambda _reason: task.cancel(), most_running=MOST_RUNNING
        )
        if admitted is None:
            return
        with admitted as route:
            self._at_engine[task] = route.slot
            try:
                title = await self._ask(route, request)
            finally:
                del self._at_engine[task]
        if title:
            found = FoundTitle(request.conversation_id, request.owner_id, title)
            await self._worker.submit(store_titles, found)

    async def _ask(self, route: Route, request: TitleRequest) -> str:
        began = time.perf_counter()
        try:
            answer = await self._call(route, request, NO_THINKING)
        except UpstreamRejected:  # some tokenizers refuse arguments for their template
            answer = await self._call(route, request, {})
        prompt, completion = 0, 0
        if (usage := answer.usage) is not None:
            prompt, completion = bounded(usage.prompt_tokens), bounded(usage.completion_tokens)
        spent = Spent(
            prompt_tokens=prompt,
            completion_tokens=completion,
            model=route.model,
            endpoint=ENDPOINT,
            latency_ms=round((time.perf_counter() - began) * 1000),
            cost_micros=route.price.of(prompt, completion),
        )
        self._usage.note(request.owner_id, request.key_id, spent)
        return answer.title

    async def _call(self, route: Route, request: TitleRequest, more: dict[str, Any]) -> _Answer:
        """Raises GatewayError, or one of NOT_JSON."""
        body = {
            **salt_fields(self._config, secret=self._config.secret_key, user_id=request.owner_id),
            "model": route.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "max_tokens": min(MAX_TOKENS, route.max_output_tokens or MAX_TOKENS),
            "temperature": TEMPERATURE,
            **more,
        }
        received = bytearray()

        def take(data: bytes) -> None:
            received.extend(data)
            if len(received) > MAX_ANSWER_BYTES:
                raise UpstreamUnavailable("The engine's title is too long.")

        call = EngineCall(CHAT_COMPLETIONS.path, msgspec.json.encode(body))
        async with self._engine.open(route.base_url, call, api_key=route.api_key) as answer:
            await answer.relay(take)
        return msgspec.json.decode(received, type=_Answer)

    def _leave_closed_slots(self, snapshot: BoardSnapshot) -> None:
        """A switch is about to happen: no engine is kept from ending by a title."""
        closed = {slot.slug for slot in snapshot.slots if not slot.is_open}
        for task, slot in list(self._at_engine.items()):
            if slot in closed:
                task.cancel()

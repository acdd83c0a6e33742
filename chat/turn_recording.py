"""Records turns after checking them: what cannot fit the model's context, or a bound, is never stored."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec.structs import replace

from chat.token_count import count_tokens
from chat.truncation import find_start
from chat.upstream import EngineGateway
from conversations.branches import Prompt, to_engine_message, to_prompt, without_images
from conversations.files.attaching import GivenMessages, attach_files
from conversations.models import ROW_BYTES
from conversations.new_turns import NewMessage, NewTurn, PreparedPrompt, Turn, TurnIds
from conversations.prompt_sizes import LIGHT, TurnLimits, count_bytes, count_prompt_bytes
from conversations.prompt_sources import PromptSource
from conversations.repeats import RepeatKey
from conversations.stored_bytes import check_account, sum_stored_bytes
from conversations.tool_results import check_results
from conversations.turns import begin_turns, find_answers, prepare_turns
from gateway.batching import BatchWorker
from gateway.errors import ContextLengthExceeded, ConversationBusy, StorageFull
from gateway.wording import fill_in
from modelops.serving.routes import Route

LARGE_TURNS_AT_A_TIME = 4
"""Prompts of megabytes that this process holds while it checks them."""

COUNT_AGE_S = 60.0
"""How old the sum of an account's bytes may be; what this process adds is counted at once."""
REFUSAL_AGE_S = 2.0
"""How old it may be when a turn is refused for it, so that deleting helps at once."""
MOST_ACCOUNTS = 10_000
"""Whose sums are kept."""


@dataclass(slots=True)
class _Count:
    stored_bytes: int
    read_at: float


class AccountStorage:
    """What accounts have stored, to be asked before each turn without a query for each."""

    def __init__(
        self, worker: BatchWorker, *, limit_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker = worker
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._counts: OrderedDict[uuid.UUID, _Count] = OrderedDict()

    async def reserve(self, owner_id: uuid.UUID, new_bytes: int) -> None:
        """Count `new_bytes` for the account. Raises StorageFull when it would hold more than it may."""
        if not self._limit_bytes:
            return
        count = self._counts.get(owner_id)
        if count is None or self._clock() - count.read_at > COUNT_AGE_S:
            count = await self._read(owner_id)
        try:
            check_account(count.stored_bytes, new_bytes, self._limit_bytes)
        except StorageFull:
            if self._clock() - count.read_at <= REFUSAL_AGE_S:
                raise
            count = await self._read(owner_id)
            check_account(count.stored_bytes, new_bytes, self._limit_bytes)
        count.stored_bytes += new_bytes

    async def _read(self, owner_id: uuid.UUID) -> _Count:
        stored_bytes = await self._worker.submit(sum_stored_bytes, owner_id)
        count = self._counts[owner_id] = _Count(stored_bytes, self._clock())
        self._counts.move_to_end(owner_id)
        if len(self._counts) > MOST_ACCOUNTS:
            self._counts.popitem(last=False)
        return count


class BegunTurn(msgspec.Struct, frozen=True):
    turn: Turn
    storing: asyncio.Task[None] | None = None
    """Ends when the turn is stored, or raises why it is not; None for one that is."""


class TurnRecorder:
    """Begins turns; one per web process.

    Small turns share batches with other users' turns on `worker`. One that is large, or so near the end of
    the context that its tokens have to be counted, is prepared and recorded on a worker that small turns do
    not wait for; accounts are summed on a third.
    """

    def __init__(self, worker: BatchWorker, engine: EngineGateway, *, account_bytes: int) -> None:
        self._worker = worker
        self._engine = engine
        self._large_worker = BatchWorker("large-turns-worker", timeout_s=worker.timeout_s)
        self._storage_worker = BatchWorker("storage-worker", timeout_s=worker.timeout_s)
        self._storage = AccountStorage(self._storage_worker, limit_bytes=account_bytes)
        self._large_turns = asyncio.Semaphore(LARGE_TURNS_AT_A_TIME)
        self._storing: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Finish what was submitted, then end the threads."""
        await self._large_worker.stop()
        await self._storage_worker.stop()

    async def reserve(self, owner_id: uuid.UUID, new_bytes: int) -> None:
        """Count what an account is about to store. Raises StorageFull when it would hold more than it may."""
        await self._storage.reserve(owner_id, new_bytes)

    async def find_answer(self, key: RepeatKey) -> Turn | None:
        """The stored answer to a message that is being repeated. Raises as AskedMessage.check_repeat."""
        return await self._worker.submit(find_answers, key)

    async def attach(self, given: GivenMessages) -> tuple[NewMessage, ...]:
        """The messages with their files, which are stored now. Raises as `attach_files`, or StorageFull."""
        if not given.parts:
            return given.messages
        if given.store:
            await self._storage.reserve(given.owner_id, given.image_bytes)
        async with self._large_turns:
            return await self._large_worker.submit(attach_files, given)

    async def make_prompt(self, turn: NewTurn, route: Route) -> tuple[Prompt, int]:
        """The prompt of a turn that is not recorded, and how many messages it leaves out.

        What was said stays as it was said, unless some of it may be left out.
        """
        source = PromptSource(system_prompt=turn.system_prompt, said=turn.messages)
        system = [{"role": "system", "content": turn.system_prompt}] if turn.system_prompt else []
        prompt: Prompt = [*system, *map(to_engine_message, turn.messages)]
        if turn.has_parts:
            async with self._large_turns:
                prepared = await self._large_worker.submit(prepare_turns, turn)
            prompt, source = prepared.prompt, prepared.source or source
        return await self.shorten(source, turn.limits, route) if turn.limits.keeps_newest else (prompt, 0)

    async def begin(self, turn: NewTurn, route: Route) -> BegunTurn:
        """Record the turn if it fits; `route` is where it goes. Raises as `begin_turns`, or StorageFull.

        A small turn that depends on nothing stored is still being stored when this returns: the engine may be
        called meanwhile. Nothing may reach the client before that has ended.
        """
        size_bytes = turn.size_bytes
        turn.limits.check_prompt(turn.newest_bytes if turn.limits.keeps_newest else size_bytes)
        await self._storage.reserve(turn.owner_id, size_bytes + ROW_BYTES * turn.new_rows)
        if turn.starts_alone and size_bytes <= LIGHT.size_bytes and not turn.has_parts:
            check_results(turn.messages, turn.messages)
            prompt = to_prompt(turn.system_prompt, turn.messages)
            prepared = PreparedPrompt(end_id=None, prompt=prompt, size_bytes=count_prompt_bytes(prompt))
            if turn.limits.surely_fits(prepared.size_bytes, len(prompt)):
                return self._begin_early(turn, prepared)
        return BegunTurn(await self._begin(turn, route, size_bytes))

    def _begin_early(self, turn: NewTurn, prepared: PreparedPrompt) -> BegunTurn:
        ids = TurnIds.make(len(turn.messages))
        storing = asyncio.create_task(self._store(replace(turn, prepared=prepared, ids=ids)))
        self._storing.add(storing)
        storing.add_done_callback(self._forget)
        begun = Turn(conversation_id=ids.conversation_id, message_id=ids.answer_id, prompt=prepared.prompt)
        return BegunTurn(begun, storing)

    async def _store(self, turn: NewTurn) -> None:
        await self._worker.submit(begin_turns, turn)

    def _forget(self, storing: asyncio.Task[None]) -> None:
        self._storing.discard(storing)
        if not storing.cancelled():
            storing.exception()  # asyncio logs one that nobody has looked at

    async def _begin(self, turn: NewTurn, route: Route, size_bytes: int) -> Turn:
        if size_bytes <= LIGHT.size_bytes and not turn.has_parts:
            begun = await self._worker.submit(begin_turns, turn)
            if isinstance(begun, Turn):
                return begun
        async with self._large_turns:
            return await self._begin_large(turn, route)

    async def _begin_large(self, turn: NewTurn, route: Route) -> Turn:
        prepared = await self._large_worker.submit(prepare_turns, turn)
        try:
            fitting = await self._fit(turn, prepared, route)
        except ContextLengthExceeded as exc:
            message = (
                fill_in("{problem} {largest}", problem=exc.wording, largest=prepared.largest_file)
                if prepared.largest_file
                else exc.wording
            )
            raise ContextLengthExceeded(message, param=exc.param) from exc
        begun = await self._large_worker.submit(begin_turns, replace(turn, prepared=fitting))
        if not isinstance(begun, Turn):
            raise ConversationBusy
        return begun

    async def _fit(self, turn: NewTurn, prepared: PreparedPrompt, route: Route) -> PreparedPrompt:
        """The prompt, without the turns that do not fit where these may be left out."""
        if prepared.source is None:
            await self._check_tokens(turn, prepared, route)
            return prepared
        continues = turn.continues is not None
        prompt, omitted = await self.shorten(prepared.source, turn.limits, route, continues=continues)
        return replace(prepared, prompt=prompt, omitted_messages=omitted, source=None)

    async def shorten(
        self, source: PromptSource, limits: TurnLimits, route: Route, *, continues: bool = False
    ) -> tuple[Prompt, int]:
        """The prompt of the newest turns that fit, and how many messages it leaves out.

        Raises ContextLengthExceeded when the newest turn alone does not fit.
        """
        if not source.earlier:
            prompt = source.make_prompt()
            size_bytes = count_prompt_bytes(prompt) + count_bytes(source.reasoning)
            if limits.surely_fits(size_bytes, len(prompt)):
                return prompt, 0
        count = None if route.must_wait else partial(count_tokens, self._engine, route, continues=continues)
        start = await find_start(source, limits, count)
        return source.make_prompt(start), source.count_omitted(start)

    async def _check_tokens(self, turn: NewTurn, prepared: PreparedPrompt, route: Route) -> None:
        """Raises ContextLengthExceeded for a prompt that the engine counts as longer than the context."""
        if route.must_wait or turn.limits.surely_fits(prepared.size_bytes, len(prepared.prompt)):
            return
        continues = turn.continues is not None
        count = await count_tokens(self._engine, route, without_images(prepared.prompt), continues=continues)
        if count is not None:
            turn.limits.check_tokens(count)

"""Limits counted in Redis, for any number of web processes, by the clock of Redis alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import structlog

from accounts.limits.rules import MAX_KNOWN, Count, Decision, Rules
from accounts.limits.store import AnswerLease
from accounts.models import LimitKind
from accounts.redis_batch import Command, Operation, RedisBatch, Script
from gateway.errors import DependencyUnavailable

log = structlog.get_logger()

ACQUIRE = Script("""
-- ARGV: the life of a lease in ms, then for each request its lease and its rules as a text: of each rule the
-- kind, the value and the window in ms. KEYS: one for each rule, in the same order.
-- Answers for each request the number of the rule that refuses (0: none), then for each rule what is used and
-- in how many ms its window ends; nil for a request one of whose keys is no count.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = ARGV[1]

local function admit(lease, kinds, values, windows, k)
  local used, refused = {}, 0
  for i = 1, #kinds do
    local key = KEYS[k + i]
    if kinds[i] == 'streams' then
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
      used[i] = redis.call('ZCARD', key)
    else
      used[i] = tonumber(redis.call('GET', key) or 0)
    end
    if refused == 0 and used[i] >= values[i] then refused = i end
  end
  local answer = {refused}
  for i = 1, #kinds do
    local key, wait = KEYS[k + i], 0
    if kinds[i] == 'streams' then
      if refused == 0 then
        redis.call('ZADD', key, now + life, lease)
        redis.call('PEXPIRE', key, life)
        used[i] = used[i] + 1
      end
    else
      if kinds[i] == 'requests' and (refused == 0 or kinds[refused] ~= 'requests') then
        used[i] = redis.call('INCR', key)
      end
      if used[i] > 0 then
        wait = redis.call('PTTL', key)
        if wait < 0 then
          wait = windows[i]
          redis.call('PEXPIRE', key, wait)
        end
      end
    end
    answer[2 * i] = used[i]
    answer[2 * i + 1] = wait
  end
  return answer
end

local answers, k = {}, 0
for a = 2, #ARGV, 2 do
  local kinds, values, windows = {}, {}, {}
  for kind, value, window in string.gmatch(ARGV[a + 1], '(%a+) (%d+) (%d+)') do
    kinds[#kinds + 1] = kind
    values[#values + 1] = tonumber(value)
    windows[#windows + 1] = tonumber(window)
  end
  local is_good, answer = pcall(admit, ARGV[a], kinds, values, windows, k)
  answers[#answers + 1] = is_good and answer
  k = k + #kinds
end
return answers
""")

END = Script("""
-- ARGV: for each key the kind, then the lease that ends and 0, or the tokens used and the window in ms.
-- Answers how many keys were no counts.
local refused = 0
for i, key in ipairs(KEYS) do
  local kind, value, window = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  local done
  if kind == 'streams' then
    done = redis.pcall('ZREM', key, value)
  else
    done = redis.pcall('INCRBY', key, value)
    -- The first tokens of a window begin it.
    if done == tonumber(value) then redis.call('PEXPIRE', key, window) end
  end
  if type(done) == 'table' then refused = refused + 1 end
end
return refused
""")

RENEW = Script("""
-- KEYS: of the rules about answers at a time. ARGV: the life of a lease in ms, then a lease for each key.
local time = redis.call('TIME')
local ends_at = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ends_at, ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end
return 0
""")


class _Ended(NamedTuple):
    lease: AnswerLease
    tokens: int


class RedisLimits:
    """A `LimitStore` for all web processes. Its calls share round trips with what else is in the batch."""

    def __init__(self, batch: RedisBatch, *, lease_s: float) -> None:
        self._batch = batch
        self._lease_ms = round(lease_s * 1000)
        # In this order: what has ended is not renewed, and makes room for who came after it. An admission
        # that is cancelled in the same moment was not sent, so that its end may come first.
        self._renew = Operation(self._renew_command, _read_nothing, RENEW, rank=-2)
        self._end = Operation(_end_command, _read_ended, END, rank=-1)
        self._acquire = Operation(self._acquire_command, _read_decisions, ACQUIRE)

    async def acquire(self, lease: AnswerLease) -> Decision:
        return await self._batch.submit(self._acquire, lease)

    def end(self, lease: AnswerLease, tokens: int) -> asyncio.Future[None]:
        return self._batch.submit(self._end, _Ended(lease, tokens))

    async def renew(self, leases: Sequence[AnswerLease]) -> None:
        await asyncio.gather(*(self._batch.submit(self._renew, lease) for lease in leases))

    def _acquire_command(self, leases: Sequence[AnswerLease]) -> Command:
        keys: list[str] = []
        arguments: list[str | int] = [self._lease_ms]
        for lease in leases:
            keys += [rule.key for rule in lease.rules]
            arguments += (lease.id, _text_of(lease.rules))
        return ACQUIRE.call(keys, arguments)

    def _renew_command(self, leases: Sequence[AnswerLease]) -> Command:
        held = [
            (rule.key, lease.id) for lease in leases for rule in lease.rules if rule.kind is LimitKind.STREAMS
        ]
        return RENEW.call([key for key, _id in held], [self._lease_ms, *(lease for _key, lease in held)])


@lru_cache(maxsize=MAX_KNOWN)
def _text_of(rules: Rules) -> str:
    """The rules as ACQUIRE reads them; cached, as they are the same for each of a caller's requests."""
    return " ".join(f"{rule.kind.value} {rule.value} {rule.window_s * 1000}" for rule in rules)


def read_decision(rules: Rules, answer: Sequence[int]) -> Decision:
    counts = tuple(
        Count(rule, answer[2 * index + 1], answer[2 * index + 2] / 1000) for index, rule in enumerate(rules)
    )
    return Decision(counts, counts[answer[0] - 1] if answer[0] else None)


def _read_decisions(
    leases: Sequence[AnswerLease], answers: Sequence[Sequence[int] | None]
) -> list[Decision | Exception]:
    return [
        DependencyUnavailable("The cache holds no count where one should be.")
        if answer is None
        else read_decision(lease.rules, answer)
        for lease, answer in zip(leases, answers, strict=True)
    ]


def _end_command(ended: Sequence[_Ended]) -> Command:
    keys: list[str] = []
    arguments: list[str | int] = []
    for lease, tokens in ended:
        for rule in lease.rules:
            if rule.kind is LimitKind.STREAMS:
                keys.append(rule.key)
                arguments += (rule.kind.value, lease.id, 0)
            elif rule.kind is LimitKind.TOKENS and tokens:
                keys.append(rule.key)
                arguments += (rule.kind.value, tokens, rule.window_s * 1000)
    return END.call(keys, arguments)


def _read_ended(ended: Sequence[_Ended], refused: int) -> list[None]:
    if refused:
        log.error("redis_refused", count=refused)
    return [None] * len(ended)


def _read_nothing(leases: Sequence[AnswerLease], answer: object) -> list[None]:
    return [None] * len(leases)

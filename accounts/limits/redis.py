"""Limits counted in Redis, for any number of web processes. Redis's clock is the only one that counts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from accounts.limits.rules import Count, Rules, Verdict
from accounts.limits.store import Lease
from accounts.models import LimitKind
from accounts.redis_batch import Command, RedisBatch, ScriptUnknown

RENEWED_AT_ONCE = 200
"""Leases per script call: while one runs, Redis does nothing else."""


class Script:
    """Sent by its hash; in full only to a Redis that does not know it (yet, or after a restart)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


ADMIT = Script("""
-- KEYS: one for each rule. ARGV: the lease, its life (ms), then of each rule the kind, value and window (ms).
-- Answers the number of the rule that refuses (0: none), then for each rule what is used and when it ends.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kinds, used, refused = {}, {}, 0
for i, key in ipairs(KEYS) do
  kinds[i] = ARGV[3 * i]
  if kinds[i] == 'streams' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    used[i] = redis.call('ZCARD', key)
  else
    used[i] = tonumber(redis.call('GET', key) or 0)
  end
  if refused == 0 and used[i] >= tonumber(ARGV[3 * i + 1]) then refused = i end
end
local answer = {refused}
for i, key in ipairs(KEYS) do
  local wait = 0
  if kinds[i] == 'streams' then
    if refused == 0 then
      redis.call('ZADD', key, now + ARGV[2], ARGV[1])
      redis.call('PEXPIRE', key, ARGV[2])
      used[i] = used[i] + 1
    end
  else
    if kinds[i] == 'requests' and (refused == 0 or kinds[refused] ~= 'requests') then
      used[i] = redis.call('INCR', key)
    end
    if used[i] > 0 then
      wait = redis.call('PTTL', key)
      if wait < 0 then
        wait = tonumber(ARGV[3 * i + 2])
        redis.call('PEXPIRE', key, wait)
      end
    end
  end
  answer[2 * i] = used[i]
  answer[2 * i + 1] = wait
end
return answer
""")

RENEW = Script("""
-- KEYS: of the rules about answers at a time. ARGV: the life of a lease in ms, then a lease for each key.
local time = redis.call('TIME')
local ends_at = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ends_at, ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end
""")


class RedisLimits:
    """A `LimitStore` for all web processes. Its calls share round trips with what else is in the batch."""

    def __init__(self, batch: RedisBatch, *, lease_s: float) -> None:
        self._batch = batch
        self._lease_ms = round(lease_s * 1000)

    async def admit(self, lease: Lease) -> Verdict:
        rules = lease.rules
        arguments: list[str | int] = [rule.key for rule in rules]
        arguments += (lease.id, self._lease_ms)
        for rule in rules:
            arguments += (rule.kind.value, rule.value, rule.window_s * 1000)
        answer = await self._call(ADMIT, len(rules), arguments)
        return read_verdict(rules, answer)

    def end(self, lease: Lease, tokens: int) -> asyncio.Future[None]:
        commands: list[Command] = []
        for rule in lease.rules:
            if rule.kind is LimitKind.STREAMS:
                commands.append(("ZREM", rule.key, lease.id))
            elif rule.kind is LimitKind.TOKENS and tokens:
                # The first tokens of a window begin it. No script: should the window end in between, the
                # next admission gives the count its end.
                commands.append(("SET", rule.key, 0, "PX", rule.window_s * 1000, "NX"))
                commands.append(("INCRBY", rule.key, tokens))
        return self._batch.submit(*commands, read=_nothing)

    async def renew(self, leases: Sequence[Lease]) -> None:
        held = [
            (rule.key, lease.id) for lease in leases for rule in lease.rules if rule.kind is LimitKind.STREAMS
        ]
        for start in range(0, len(held), RENEWED_AT_ONCE):
            keys, ids = zip(*held[start : start + RENEWED_AT_ONCE], strict=True)
            await self._call(RENEW, len(keys), [*keys, self._lease_ms, *ids])

    async def _call(self, script: Script, key_count: int, arguments: Sequence[str | int]) -> Any:
        try:
            return await self._batch.submit(
                _command("EVALSHA", script.hash, key_count, arguments), read=_first
            )
        except ScriptUnknown:
            return await self._batch.submit(_command("EVAL", script.text, key_count, arguments), read=_first)


def read_verdict(rules: Rules, answer: Sequence[int]) -> Verdict:
    counts = tuple(
        Count(rule, answer[2 * index + 1], answer[2 * index + 2] / 1000) for index, rule in enumerate(rules)
    )
    return Verdict(counts, counts[answer[0] - 1] if answer[0] else None)


def _command(name: str, script: str, key_count: int, arguments: Sequence[str | int]) -> Command:
    return (name, script, key_count, *arguments)


def _first(answers: Sequence[Any]) -> Any:
    return answers[0]


def _nothing(answers: Sequence[Any]) -> None:
    return None

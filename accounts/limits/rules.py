"""Which limits apply to a caller, and the error and headers that report them. No database, no clock.

For each kind the most specific number counts: of the account, else of its groups, else of its role, else of
everybody, else of the settings. Of several groups the tightest counts. An API key's numbers apply in addition
to those of its account. Zero is no limit.
"""

from __future__ import annotations

import ipaddress
import math
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from accounts.models import LimitKind, LimitSubject, Role
from gateway.errors import (
    MAXIMUM_RETRY_AFTER_S,
    NO_RETRY,
    ConcurrencyLimitExceeded,
    InsufficientQuota,
    RateLimitExceeded,
)
from gateway.wording import fill_in

MAX_KNOWN = 10_000

RATE_HEADERS = {
    kind: tuple(f"x-ratelimit-{what}-{kind.value}" for what in ("limit", "remaining", "reset"))
    for kind in LimitKind
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Caller(Protocol):
    """The part of a `Principal` that limits depend on."""

    @property
    def user_id(self) -> uuid.UUID: ...

    @property
    def role(self) -> Role: ...

    @property
    def key_id(self) -> uuid.UUID | None: ...


class Allowance(NamedTuple):
    value: int
    window_s: int
    """0 where there is no window."""


class LimitRow(NamedTuple):
    """A row of the table `Limit`."""

    subject: LimitSubject
    target: str
    """The role, the id of the group, account or key, or the network."""
    kind: LimitKind
    allowance: Allowance


class AccountLimit(NamedTuple):
    """What applies to an account for one kind, and which number says so."""

    allowance: Allowance | None
    """None: no limit."""
    source: LimitSubject | None
    """Whose row of the table it is; None: the settings."""
    target: str = ""
    """The `target` of that row."""


class Rule(NamedTuple):
    """One limit that applies to one caller."""

    kind: LimitKind
    key: str
    """Under which it is counted; says whom, what, and for how long."""
    value: int
    window_s: int
    what: str = fill_in("answers may be generated")
    """For the message of a refusal: "no more than 2 … at a time"."""


Rules = tuple[Rule, ...]


class Count(NamedTuple):
    """How much of a rule is used, this request included."""

    rule: Rule
    used: int
    reset_s: float
    """Until the window ends; 0 while none has begun."""

    @property
    def remaining(self) -> int:
        return max(0, self.rule.value - self.used)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a store admits a request, and how much of each rule is used."""

    counts: tuple[Count, ...]
    refused: Count | None = None
    """The first rule that was used up; requests come first, then tokens, then answers at a time."""


class LimitBook:
    """All limits, as they were when the book was made."""

    def __init__(
        self,
        rows: Iterable[LimitRow],
        defaults: Mapping[LimitKind, Allowance],
        groups: Mapping[uuid.UUID, Sequence[str]] | None = None,
    ) -> None:
        """`groups` are the ids of the groups with limits that each account is in."""
        self._defaults = defaults
        self._groups = groups or {}
        self._allowances: dict[tuple[LimitSubject, str, LimitKind], Allowance] = {}
        self._networks: list[tuple[Network, Allowance]] = []
        for row in rows:
            if row.subject == LimitSubject.ADDRESS and row.target:
                self._networks.append((ipaddress.ip_network(row.target), row.allowance))
            else:
                self._allowances[row.subject, row.target, row.kind] = row.allowance
        self._networks.sort(key=lambda entry: entry[0].prefixlen, reverse=True)
        self._known: dict[tuple[uuid.UUID, Role, uuid.UUID | None], Rules] = {}

    def rules_for(self, caller: Caller) -> Rules:
        """The rules that apply to the caller, in the order in which they are checked."""
        who = (caller.user_id, caller.role, caller.key_id)
        rules = self._known.get(who)
        if rules is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            rules = self._known[who] = tuple(self._find_rules(caller))
        return rules

    def account_allowance(self, kind: LimitKind, *, user_id: uuid.UUID, role: Role) -> Allowance | None:
        """The most specific allowance of the account; None for no limit."""
        return self.find_account_limit(kind, user_id=user_id, role=role).allowance

    def find_account_limit(self, kind: LimitKind, *, user_id: uuid.UUID, role: Role) -> AccountLimit:
        """The most specific allowance of the account, and where it comes from."""
        for subject, targets in (
            (LimitSubject.USER, (str(user_id),)),
            (LimitSubject.GROUP, self._groups.get(user_id, ())),
            (LimitSubject.ROLE, (str(role),)),
            (LimitSubject.DEFAULT, ("",)),
        ):
            found = [
                (allowance, target)
                for target in targets
                if (allowance := self._allowances.get((subject, target, kind))) is not None
            ]
            if found:
                allowance, target = min(found, key=lambda entry: _tightness(entry[0]))
                return AccountLimit(allowance if allowance.value else None, subject, target)
        default = self._defaults.get(kind)
        return AccountLimit(default if default and default.value else None, None)

    def address_allowance(self, address: str | None, default: Allowance) -> Allowance | None:
        """The allowance of the smallest network that contains `address`; None for no limit."""
        found = self._of_network(address)
        if found is None:
            everywhere = (LimitSubject.ADDRESS, "", LimitKind.REQUESTS)
            found = self._allowances.get(everywhere, default)
        return found if found.value else None

    def _of_network(self, address: str | None) -> Allowance | None:
        if address is None or not self._networks:
            return None
        ip = ipaddress.ip_address(address)
        for network, allowance in self._networks:
            if ip.version == network.version and ip in network:
                return allowance
        return None

    def _find_rules(self, caller: Caller) -> Iterable[Rule]:
        for kind in LimitKind:
            own = self.account_allowance(kind, user_id=caller.user_id, role=caller.role)
            if own is not None:
                yield _rule(kind, f"account:{caller.user_id}", own)
            if caller.key_id is not None:
                of_key = self._allowances.get((LimitSubject.KEY, str(caller.key_id), kind))
                if of_key is not None and of_key.value:
                    yield _rule(kind, f"key:{caller.key_id}", of_key)


def _tightness(allowance: Allowance) -> tuple[float, int]:
    """Orders allowances of one kind from the tightest: by how much in a second, no limit last."""
    if not allowance.value:
        return math.inf, 0
    return allowance.value / (allowance.window_s or 1), allowance.value


def parse_rate(rate: str) -> Allowance:
    """`10/m` or `5/30s`, as in the settings, as a number and a window."""
    value, _, period = rate.partition("/")
    unit_s = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[period[-1]]
    return Allowance(int(value), int(period[:-1] or 1) * unit_s)


def address_rule(address: str, allowance: Allowance) -> Rule:
    return _rule(LimitKind.REQUESTS, f"address:{address}", allowance)


def call_rules(user_id: uuid.UUID, calls: Allowance, *, event_streams: int | None = None) -> Rules:
    """The rules of a request that no engine answers; `event_streams` bounds those that are event streams."""
    rules: list[Rule] = []
    if calls.value:
        rules.append(_rule(LimitKind.REQUESTS, f"calls:{user_id}", calls))
    if event_streams:
        rule = _rule(LimitKind.STREAMS, f"events:{user_id}", Allowance(event_streams, 0))
        rules.append(rule._replace(what=fill_in("event streams may be open")))
    return tuple(rules)


def _rule(kind: LimitKind, whom: str, allowance: Allowance) -> Rule:
    # With the window in it: a number that changes goes on counting, another window begins anew.
    key = f"gateway:limit:{whom}:{kind.value}:{allowance.window_s}"
    return Rule(kind, key, allowance.value, allowance.window_s)


def rate_headers(counts: Iterable[Count]) -> dict[str, str]:
    """OpenAI's headers, of the rule that has the least left; none for a kind that has no limit."""
    tightest: dict[LimitKind, Count] = {}
    for count in counts:
        if count.rule.kind is not LimitKind.STREAMS:
            known = tightest.get(count.rule.kind)
            if known is None or count.remaining < known.remaining:
                tightest[count.rule.kind] = count
    headers: dict[str, str] = {}
    for kind, count in tightest.items():
        limit, remaining, reset = RATE_HEADERS[kind]
        headers[limit] = str(count.rule.value)
        headers[remaining] = str(count.remaining)
        headers[reset] = duration(count.reset_s)
    return headers


def duration(wait_s: float) -> str:
    """As OpenAI writes it: `120ms`, `20s`, `6m0s`, `1h0m30s`; rounded up."""
    if wait_s < 1:
        return f"{math.ceil(wait_s * 1000)}ms" if wait_s > 0 else "0s"
    minutes, seconds = divmod(math.ceil(wait_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def refusal_of(
    decision: Decision, find_wait: Callable[[Rule], float] | None = None
) -> RateLimitExceeded | None:
    """The error of a request that was refused; None for one that was admitted.

    `find_wait` says in how many seconds there may be room among the answers at a time.
    """
    count = decision.refused
    if count is None:
        return None
    rule, headers = count.rule, rate_headers(decision.counts)
    match rule.kind:
        case LimitKind.STREAMS:
            return ConcurrencyLimitExceeded(
                fill_in("No more than {limit} {what} at a time.", limit=rule.value, what=rule.what),
                retry_after_s=find_wait(rule) if find_wait is not None else None,
                headers=headers,
            )
        case LimitKind.TOKENS:
            if count.reset_s > MAXIMUM_RETRY_AFTER_S:
                # Clients that retry by themselves would only be refused again.
                headers |= NO_RETRY
            return InsufficientQuota(
                fill_in(
                    "The {limit} tokens of {seconds} seconds are used up.",
                    limit=rule.value,
                    seconds=rule.window_s,
                ),
                retry_after_s=count.reset_s,
                headers=headers,
            )
    return RateLimitExceeded(
        fill_in("More than {limit} requests in {seconds} seconds.", limit=rule.value, seconds=rule.window_s),
        retry_after_s=count.reset_s,
        headers=headers,
    )

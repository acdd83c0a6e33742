"""Which limits apply to whom, and how clients are told."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest

from accounts.limits.rules import (
    Allowance,
    Count,
    Decision,
    LimitBook,
    LimitRow,
    Rule,
    duration,
    parse_rate,
    rate_headers,
    refusal_of,
)
from accounts.models import LimitKind, LimitSubject, Role
from gateway.errors import ConcurrencyLimitExceeded, GatewayError, InsufficientQuota, RateLimitExceeded

MINA, KEY = uuid.uuid4(), uuid.uuid4()
DEFAULTS = {LimitKind.REQUESTS: Allowance(60, 60), LimitKind.TOKENS: Allowance(0, 86_400)}


@dataclass(frozen=True)
class Caller:
    user_id: uuid.UUID = MINA
    role: Role = Role.USER
    key_id: uuid.UUID | None = None


def row(subject: LimitSubject, target: object, value: int, kind: LimitKind = LimitKind.REQUESTS) -> LimitRow:
    return LimitRow(subject, str(target), kind, Allowance(value, 0 if kind is LimitKind.STREAMS else 60))


EVERYBODY = row(LimitSubject.DEFAULT, "", 50)
USERS = row(LimitSubject.ROLE, "user", 40)
MINAS = row(LimitSubject.USER, MINA, 30)
KEYS = row(LimitSubject.KEY, KEY, 20)


def values(*rows: LimitRow, caller: Caller | None = None) -> list[int]:
    return [rule.value for rule in LimitBook(rows, DEFAULTS).rules_for(caller or Caller())]


TIGHT, LOOSE, FREE = (str(uuid.uuid4()) for _ in range(3))


@pytest.mark.parametrize(
    ("rows", "groups", "expected"),
    [
        ([row(LimitSubject.GROUP, LOOSE, 90), USERS], [LOOSE], 90),
        ([row(LimitSubject.GROUP, LOOSE, 90), MINAS], [LOOSE], 30),
        ([row(LimitSubject.GROUP, LOOSE, 90), row(LimitSubject.GROUP, TIGHT, 10)], [LOOSE, TIGHT], 10),
        ([row(LimitSubject.GROUP, FREE, 0), row(LimitSubject.GROUP, LOOSE, 90)], [FREE, LOOSE], 90),
        ([row(LimitSubject.GROUP, TIGHT, 10), USERS], [], 40),
        ([row(LimitSubject.GROUP, TIGHT, 10, LimitKind.TOKENS), USERS], [TIGHT], 40),
    ],
    ids=[
        "over the role's, also where it is looser",
        "under the account's own",
        "the tightest of several",
        "no limit is the loosest",
        "for members only",
        "of its own kind only",
    ],
)
def test_number_of_a_group_counts_for_its_members(
    rows: list[LimitRow], groups: list[str], expected: int
) -> None:
    book = LimitBook(rows, DEFAULTS, {MINA: groups})

    found = {rule.kind: rule.value for rule in book.rules_for(Caller())}

    assert found[LimitKind.REQUESTS] == expected


def test_tightest_is_by_how_much_in_a_second() -> None:
    per_day = LimitRow(LimitSubject.GROUP, TIGHT, LimitKind.REQUESTS, Allowance(1000, 86_400))
    book = LimitBook([per_day, row(LimitSubject.GROUP, LOOSE, 60)], DEFAULTS, {MINA: [LOOSE, TIGHT]})

    (rule,) = book.rules_for(Caller())

    assert (rule.value, rule.window_s) == (1000, 86_400)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], 60),
        ([EVERYBODY], 50),
        ([EVERYBODY, USERS], 40),
        ([EVERYBODY, MINAS, USERS], 30),
        ([row(LimitSubject.ROLE, "admin", 1), row(LimitSubject.USER, uuid.uuid4(), 1), KEYS], 60),
    ],
)
def test_most_specific_number_counts(rows: list[LimitRow], expected: int) -> None:
    assert values(*rows) == [expected]


def test_limits_of_a_key_come_on_top_of_its_accounts() -> None:
    with_key = Caller(key_id=KEY)

    assert values(EVERYBODY, KEYS, caller=with_key) == [50, 20]
    assert values(EVERYBODY, KEYS, caller=Caller(key_id=uuid.uuid4())) == [50]


def test_zero_lifts_a_limit_for_whom_it_is_given() -> None:
    lifted = row(LimitSubject.USER, MINA, 0)

    assert values(EVERYBODY, lifted) == []
    assert values(EVERYBODY, lifted, caller=Caller(user_id=uuid.uuid4())) == [50]


def test_account_and_key_are_counted_apart_and_each_kind_too() -> None:
    rows = [KEYS, *(row(LimitSubject.USER, MINA, 5, kind) for kind in LimitKind)]

    rules = LimitBook(rows, DEFAULTS).rules_for(Caller(key_id=KEY))

    assert [rule.kind.value for rule in rules] == ["requests", "requests", "tokens", "streams"]
    assert len({rule.key for rule in rules}) == 4


def test_smallest_network_around_an_address_counts() -> None:
    default = Allowance(9, 60)
    book = LimitBook(
        [
            row(LimitSubject.ADDRESS, "10.0.0.0/8", 8),
            row(LimitSubject.ADDRESS, "10.1.0.0/16", 16),
            row(LimitSubject.ADDRESS, "2001:db8::/32", 32),
            row(LimitSubject.ADDRESS, "192.0.2.0/24", 0),
        ],
        {},
    )

    found = {
        address: book.address_allowance(address, default)
        for address in ("10.1.2.3", "10.2.3.4", "2001:db8::1", "203.0.113.5", "192.0.2.1", None)
    }

    assert {address: found[address] and found[address].value for address in found} == {  # type: ignore[union-attr]
        "10.1.2.3": 16,
        "10.2.3.4": 8,
        "2001:db8::1": 32,
        "203.0.113.5": 9,
        "192.0.2.1": None,
        None: 9,
    }


def test_row_for_every_address_replaces_the_setting() -> None:
    book = LimitBook([row(LimitSubject.ADDRESS, "", 7)], {})

    assert book.address_allowance("10.0.0.1", Allowance(9, 60)) == Allowance(7, 60)


def count(kind: LimitKind, value: int, used: int, reset_s: float = 20.0) -> Count:
    return Count(Rule(kind, f"{kind}:{value}", value, 60), used, reset_s)


def test_headers_tell_of_the_rule_with_the_least_left() -> None:
    counts = [
        count(LimitKind.REQUESTS, 60, 1, 50),
        count(LimitKind.REQUESTS, 20, 15, 20),
        count(LimitKind.TOKENS, 1000, 1200, 3600),
        count(LimitKind.STREAMS, 8, 3),
    ]

    assert rate_headers(counts) == {
        "x-ratelimit-limit-requests": "20",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-reset-requests": "20s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1h0m0s",
    }


@pytest.mark.parametrize(
    ("wait_s", "text"),
    [
        (0, "0s"),
        (0.0201, "21ms"),
        (1, "1s"),
        (19.2, "20s"),
        (60, "1m0s"),
        (359.5, "6m0s"),
        (3600, "1h0m0s"),
        (86_399.9, "24h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(wait_s: float, text: str) -> None:
    assert duration(wait_s) == text


@pytest.mark.parametrize(
    ("kind", "reset_s", "error", "retry_after", "should_retry"),
    [
        (LimitKind.REQUESTS, 20.0, RateLimitExceeded, "20", None),
        (LimitKind.REQUESTS, 86_400.0, RateLimitExceeded, "60", None),
        (LimitKind.TOKENS, 30.0, InsufficientQuota, "30", None),
        (LimitKind.TOKENS, 7200.0, InsufficientQuota, "60", "false"),
        (LimitKind.STREAMS, 0.0, ConcurrencyLimitExceeded, "2", None),
    ],
)
def test_refusals_say_what_is_used_up_and_when_to_come_back(
    kind: LimitKind,
    reset_s: float,
    error: type[GatewayError],
    retry_after: str,
    should_retry: str | None,
) -> None:
    used_up = count(kind, 5, 5, reset_s)

    refusal = refusal_of(Decision((used_up,), used_up))

    assert type(refusal) is error
    assert refusal.headers["Retry-After"] == retry_after
    assert refusal.headers.get("x-should-retry") == should_retry
    assert ("x-ratelimit-limit-requests" in refusal.headers) == (kind is LimitKind.REQUESTS)


def test_nothing_used_up_is_no_refusal() -> None:
    assert refusal_of(Decision((count(LimitKind.REQUESTS, 5, 5),))) is None


@pytest.mark.parametrize(
    ("rate", "expected"), [("10/m", (10, 60)), ("5/30s", (5, 30)), ("0/h", (0, 3600)), ("7/2d", (7, 172_800))]
)
def test_rates_of_the_settings_are_numbers_and_windows(rate: str, expected: tuple[int, int]) -> None:
    assert parse_rate(rate) == expected


def test_book_does_not_grow_with_everybody_who_ever_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.limits.rules.MAX_KNOWN", 5)
    book = LimitBook((), DEFAULTS)

    for _ in range(50):
        book.rules_for(Caller(user_id=uuid.uuid4()))

    assert len(book._known) <= 5

"""An account's page in the admin: its limits, today's use, keys and sessions, and what is done there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys import IssuedKey, issue_api_key
from accounts.change_origin import COMMAND
from accounts.limits.in_force import list_limits_in_force
from accounts.models import AuditEvent, DailyUsage, Limit, LimitKind, LimitSubject, Role, Session, User
from accounts.tests.rest import client_with, code_of, me
from accounts.tokens import TokenPair, issue_pair

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com", "a long enough phrase")


@pytest.fixture
def web() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", role=Role.ADMIN))
    return client


@pytest.fixture
def key(mina: User) -> IssuedKey:
    return issue_api_key(user=mina, name="laptop", scopes=["history"], origin=COMMAND)


@pytest.fixture
def pair(mina: User) -> TokenPair:
    return issue_pair(mina)


def path_of(user: User, *parts: object) -> str:
    return "/".join(["/admin/accounts/user", str(user.pk), *map(str, parts), ""])


def page_of(web: Client, user: User) -> str:
    response = web.get(path_of(user, "change"))
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def shown_limits(web: Client, user: User) -> dict[str, tuple[str, str]]:
    lines = web.get(path_of(user, "change")).context["limit_lines"]
    return {line.limit.kind.value: (line.amount, line.source) for line in lines}


def set_limit(web: Client, user: User, kind: str, **fields: object) -> Any:
    return web.post(path_of(user, "limits", kind), fields)


def test_each_limit_says_where_it_comes_from(web: Client, mina: User) -> None:
    Limit.objects.create(subject=LimitSubject.DEFAULT, kind=LimitKind.STREAMS, value=3)
    Limit.objects.create(
        subject=LimitSubject.ROLE, role="user", kind=LimitKind.TOKENS, value=5000, window_s=86_400
    )

    shown = shown_limits(web, mina)
    set_limit(web, mina, "tokens", value=9000, window_s=7200)

    assert shown["streams"] == ("3", "from the limit for everybody")
    assert shown["tokens"] == ("5,000 per day", "from the role User")
    assert shown_limits(web, mina)["tokens"] == ("9,000 in 2 hours", "set for this account")


@pytest.mark.parametrize(
    ("settings_named", "source"),
    [((), "default of the gateway"), (("TOKEN_LIMIT",), "from the settings: TOKEN_LIMIT")],
)
def test_limit_that_nobody_set_names_the_settings_that_differ(
    web: Client, mina: User, monkeypatch: pytest.MonkeyPatch, settings_named: tuple[str, ...], source: str
) -> None:
    monkeypatch.setattr("accounts.limits.in_force._find_changed_settings", lambda config: {*settings_named})

    assert shown_limits(web, mina)["tokens"][1] == source


def test_form_is_filled_with_what_is_in_force(web: Client, mina: User) -> None:
    set_limit(web, mina, "tokens", value=9000, window_s=7200)

    filled = {
        line.limit.kind: line.form.initial for line in web.get(path_of(mina, "change")).context["limit_lines"]
    }

    assert filled[LimitKind.TOKENS] == {"value": 9000, "window_s": 7200}
    assert filled[LimitKind.STREAMS]["window_s"] is None


def test_raised_limit_counts_and_is_on_record(web: Client, mina: User) -> None:
    response = set_limit(web, mina, "requests", value=600, window_s=60)
    again = set_limit(web, mina, "requests", value=700, window_s=60)

    assert [response["location"], again["location"]] == [f"{path_of(mina, 'change')}#limits"] * 2
    allowances = {limit.kind: limit.allowance for limit in list_limits_in_force(mina)}
    assert allowances[LimitKind.REQUESTS] == (700, 60)
    events = AuditEvent.objects.filter(target_type="limit").order_by("at", "id")
    assert [(event.action, event.actor_name, event.via) for event in events] == [
        ("limit_created", "root", "admin"),
        ("limit_changed", "root", "admin"),
    ]
    assert "The limit of this account is set. Requests: 700 per minute." in page_of(web, mina)


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        ("requests", {"value": -1, "window_s": 60}, "greater than or equal to 0"),
        ("requests", {"value": 5, "window_s": 0}, "greater than or equal to 1"),
        ("requests", {"value": 5}, "This field is required"),
        ("tokens", {"value": 10**13, "window_s": 60}, "less than or equal to"),
        ("streams", {"value": "many"}, "Enter a whole number"),
    ],
)
def test_limit_that_means_nothing_is_refused_with_the_reason(
    web: Client, mina: User, kind: str, fields: dict[str, object], problem: str
) -> None:
    response = set_limit(web, mina, kind, **fields)

    assert (response.status_code, problem in response.content.decode()) == (200, True)
    assert not Limit.objects.exists()


def test_limit_of_answers_at_a_time_takes_no_window(web: Client, mina: User) -> None:
    set_limit(web, mina, "streams", value=20, window_s=60)

    limit = Limit.objects.get()
    assert (limit.value, limit.window_s, limit.user) == (20, None, mina)


def test_zero_lifts_a_limit(web: Client, mina: User) -> None:
    set_limit(web, mina, "requests", value=0, window_s=60)

    assert shown_limits(web, mina)["requests"] == ("No limit", "set for this account")


def test_own_limit_is_removed_on_record_and_the_less_specific_one_counts_again(
    web: Client, mina: User
) -> None:
    before = shown_limits(web, mina)["requests"]
    set_limit(web, mina, "requests", value=600, window_s=60)

    for _time in range(2):
        assert web.post(path_of(mina, "limits", "requests", "remove")).status_code == 302

    assert shown_limits(web, mina)["requests"] == before
    assert AuditEvent.objects.filter(action="limit_deleted").count() == 1


def test_use_of_today_is_held_against_a_limit_of_days(web: Client, mina: User) -> None:
    DailyUsage.objects.create(
        user=mina, day=timezone.now().date(), requests=12, prompt_tokens=1000, completion_tokens=234
    )
    set_limit(web, mina, "tokens", value=5000, window_s=86_400)

    page = page_of(web, mina)

    assert "12 Requests today 1,000 Tokens read today 234 Tokens written today" in page
    assert "1,234 of them today (UTC)" in page


def test_revoked_key_stops_working_at_once_and_on_record(web: Client, mina: User, key: IssuedKey) -> None:
    assert "laptop" in page_of(web, mina)
    assert client_with(key.key).get("/api/conversations").status_code == 200

    for _time in range(2):
        assert web.post(path_of(mina, "keys", key.row.pk, "revoke")).status_code == 302

    assert code_of(client_with(key.key).get("/api/conversations")) == (401, "token_revoked")
    assert AuditEvent.objects.filter(action="key_revoked", actor_name="root").count() == 1
    assert web.get(path_of(mina, "change")).context["key_lines"] == []


def test_limits_of_a_key_stand_beside_it(web: Client, mina: User, key: IssuedKey) -> None:
    Limit.objects.create(
        subject=LimitSubject.KEY, api_key=key.row, kind=LimitKind.REQUESTS, value=7, window_s=60
    )

    assert "Requests: 7 per minute" in page_of(web, mina)


def test_one_session_is_ended_and_the_others_go_on(web: Client, mina: User, pair: TokenPair) -> None:
    other = issue_pair(mina)

    web.post(path_of(mina, "sessions", pair.session_id, "end"))

    assert code_of(me(Client(), pair.access_token)) == (401, "token_revoked")
    assert me(Client(), other.access_token).status_code == 200


def test_log_out_everywhere_ends_sessions_and_leaves_keys(
    web: Client, mina: User, pair: TokenPair, key: IssuedKey
) -> None:
    issue_pair(mina)

    web.post(path_of(mina, "sessions", "end"))

    assert not Session.objects.filter(user=mina, revoked_at=None).exists()
    assert client_with(key.key).get("/api/conversations").status_code == 200
    assert "Logged out everywhere: 2 sessions of mina ended." in page_of(web, mina)


def test_nothing_of_somebody_else_is_reached_by_the_path_of_an_account(
    web: Client, mina: User, key: IssuedKey, pair: TokenPair
) -> None:
    other = User.objects.create(username="jun")

    answers = [
        web.post(path_of(other, "keys", key.row.pk, "revoke")),
        web.post(path_of(other, "sessions", pair.session_id, "end")),
        web.post(path_of(other, "limits", "nonsense")),
    ]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert client_with(key.key).get("/api/conversations").status_code == 200


def test_changes_need_an_administrator_and_a_post(web: Client, mina: User, key: IssuedKey) -> None:
    plain = Client()
    plain.force_login(User.objects.create(username="plain"))
    paths = [path_of(mina, "keys", key.row.pk, "revoke"), path_of(mina, "sessions", "end")]

    assert [plain.post(path).status_code for path in paths] == [302] * 2
    assert [web.get(path).status_code for path in paths] == [405] * 2
    assert client_with(key.key).get("/api/conversations").status_code == 200


def test_page_takes_as_many_queries_for_many_keys_and_sessions(web: Client, mina: User) -> None:
    counts = []
    for _time in range(2):
        for number in range(5):
            issue_api_key(user=mina, name=f"key {number}", scopes=["chat"], origin=COMMAND)
            issue_pair(mina)
        web.get(path_of(mina, "change"))
        with CaptureQueriesContext(connection) as queries:
            web.get(path_of(mina, "change"))
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 12

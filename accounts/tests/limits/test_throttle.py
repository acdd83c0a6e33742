"""How often REST may be called, by whom and from where; django-ratelimit counts."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import Limit, Role, User
from accounts.tests.rest import PASSWORD, client_at, client_of, client_with, code_of, log_in, refresh
from accounts.tokens import issue_pair

pytestmark = pytest.mark.django_db

CANARY_KEY = "sk-gw-AAAAAAAA-" + "b" * 42


@pytest.fixture(autouse=True)
def small_limits(settings: Settings) -> None:
    cache.clear()
    settings.LOGIN_RATE = "3/h"
    settings.REST_RATE = "3/h"
    settings.ADDRESS_RATE = "4/h"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com")


def statuses(times: int, call: Callable[[], Any]) -> list[int]:
    return [call().status_code for _ in range(times)]


def test_each_account_has_its_own_limit_wherever_it_calls_from(mina: User) -> None:
    clients = [client_of(mina), client_of(mina)]
    other = client_of(User.objects.create_user("juno"))

    codes = [clients[n % 2].get("/api/auth/me").status_code for n in range(4)]
    refused = clients[0].get("/api/auth/sessions")

    assert codes == [200, 200, 200, 429]
    assert code_of(refused) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["x-ratelimit-limit-requests"] == "3"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert re.fullmatch(r"(\d+h)?(\d+m)?\d+s", refused.headers["x-ratelimit-reset-requests"])
    assert other.get("/api/auth/me").status_code == 200


def test_limit_of_zero_is_none(settings: Settings, mina: User) -> None:
    settings.REST_RATE = settings.ADDRESS_RATE = "0/m"
    known, unknown = client_of(mina), client_at()

    assert statuses(5, lambda: known.get("/api/auth/me")) == [200] * 5
    assert statuses(5, lambda: unknown.get("/api/auth/me")) == [401] * 5


def test_log_in_rate_of_zero_is_none(settings: Settings) -> None:
    settings.LOGIN_RATE = settings.ADDRESS_RATE = "0/m"
    User.objects.create_user("juno", None, PASSWORD)
    client = client_at()

    assert statuses(5, lambda: log_in(client, "juno")) == [200] * 5
    assert statuses(5, lambda: log_in(client, "juno", "wrong")) == [401] * 5
    assert statuses(5, lambda: refresh(client, "nonsense")) == [401] * 5


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {CANARY_KEY}"},
        {"Authorization": "Basic bWluYTptaW5h"},
    ],
)
def test_requests_without_a_good_credential_are_limited_by_address(headers: dict[str, str]) -> None:
    here, there = client_at(), client_at()

    codes = statuses(6, lambda: here.get("/api/auth/me", headers=headers))

    assert codes == [401] * 4 + [429] * 2
    assert there.get("/api/auth/me", headers=headers).status_code == 401


def test_good_credential_is_good_from_an_address_that_was_refused(mina: User) -> None:
    client = client_of(mina)
    stranger = Client(REMOTE_ADDR=client.defaults["REMOTE_ADDR"])
    assert statuses(5, lambda: stranger.get("/api/auth/me"))[-1] == 429

    assert client.get("/api/auth/me").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
@pytest.mark.parametrize("path", ["/api/auth/me", "/api/conversations"])
def test_forged_forwarding_headers_are_one_bucket(header: str, path: str) -> None:
    client = client_at()

    codes = [client.get(path, headers={header: f"192.0.2.{n}"}).status_code for n in range(5)]

    assert codes == [401] * 4 + [429]


def test_behind_a_trusted_proxy_its_word_counts_and_no_other(settings: Settings) -> None:
    settings.TRUSTED_PROXY_HOPS = 1
    proxy = client_at()
    seen = client_at().defaults["REMOTE_ADDR"]

    codes = [
        proxy.get("/api/auth/me", headers={"X-Forwarded-For": f"192.0.2.{n}, {seen}"}).status_code
        for n in range(5)
    ]
    other = proxy.get("/api/auth/me", headers={"X-Forwarded-For": f"{seen}, 203.0.113.9"})

    assert codes == [401] * 4 + [429]
    assert other.status_code == 401


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/refresh", "/api/auth/register"])
def test_views_without_credentials_are_limited_by_address(path: str, settings: Settings) -> None:
    settings.LOGIN_RATE = "1000/h"
    client = client_at()

    codes = statuses(5, lambda: client.post(path, {}, content_type="application/json"))

    assert codes == [400] * 4 + [429]


def test_administrators_number_for_a_network_replaces_the_setting() -> None:
    client = client_at()
    Limit.objects.create(
        kind="requests", subject="address", network=client.defaults["REMOTE_ADDR"], value=1, window_s=3600
    )

    assert statuses(2, lambda: client.get("/api/auth/me")) == [401, 429]


def test_bad_refresh_tokens_are_limited_by_address(settings: Settings, mina: User) -> None:
    settings.ADDRESS_RATE = "1000/h"
    client = client_at()
    good = issue_pair(mina).refresh_token

    codes = statuses(4, lambda: refresh(client, "not-a-token"))

    assert codes == [401, 401, 401, 429]
    assert refresh(client, good).status_code == 429
    assert refresh(client_at(), good).status_code == 200


def test_good_refresh_tokens_are_no_bad_ones(mina: User) -> None:
    client = client_at()

    assert statuses(5, lambda: refresh(client, issue_pair(mina).refresh_token)) == [200] * 5
    assert client.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize("path", ["/api/auth/refresh", "/api/auth/logout"])
def test_bad_refresh_tokens_are_requests_without_a_credential(path: str, settings: Settings) -> None:
    settings.LOGIN_RATE = "1000/h"
    client = client_at()

    def send() -> Any:
        return client.post(path, {"refresh_token": "not-a-token"}, content_type="application/json")

    assert statuses(5, send) == [401] * 4 + [429]


def test_api_and_admin_log_ins_share_their_limit(settings: Settings) -> None:
    settings.ADDRESS_RATE = "1000/h"
    client = client_at()
    form = {"username": f"admin-{random.random()}", "password": "guess"}  # noqa: S311

    codes = [log_in(client, form["username"], "guess").status_code for _ in range(2)]
    codes += [client.post("/admin/login/", form).status_code for _ in range(2)]

    assert codes == [401, 401, 200, 429]


def test_cookie_is_limited_like_any_credential(mina: User) -> None:
    User.objects.filter(pk=mina.pk).update(role=Role.ADMIN)
    client = client_at()
    client.force_login(mina)

    assert statuses(4, lambda: client.get("/api/auth/me")) == [200] * 3 + [429]
    assert client_with(issue_pair(mina).access_token).get("/api/auth/me").status_code == 429


def test_what_a_good_key_may_not_do_counts_all_the_same(mina: User) -> None:
    client = client_with(issue_api_key(user=mina, name="k", scopes=["chat"], origin=COMMAND).key)

    codes = [client.get(path).status_code for path in ("/api/conversations", "/api/keys") * 2]

    assert codes == [403, 403, 403, 429]


def test_what_only_administrators_may_do_counts_all_the_same(mina: User) -> None:
    client = client_of(mina)

    assert statuses(4, lambda: client.post("/api/models/reload")) == [403] * 3 + [429]


def test_cookie_without_the_csrf_token_counts_all_the_same(mina: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(mina)

    assert statuses(4, lambda: client.post("/api/keys")) == [403] * 3 + [429]


def test_body_that_is_refused_counts_once(mina: User) -> None:
    client = client_of(mina)

    def send() -> Any:
        return client.post("/api/keys", {"x": 1}, content_type="application/json")

    assert statuses(4, send) == [400] * 3 + [429]


def test_counter_that_is_evicted_between_two_commands_is_begun_anew(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(mina)
    assert client.get("/api/auth/me").status_code == 200
    count_up, evicted = cache.incr, list[str]()

    def count_what_is_left(key: str, *arguments: Any, **options: Any) -> int:
        if not evicted:
            evicted.append(key)
            cache.delete(key)
        return count_up(key, *arguments, **options)

    monkeypatch.setattr(cache, "incr", count_what_is_left, raising=False)

    codes = statuses(4, lambda: client.get("/api/auth/me"))

    assert evicted
    assert codes == [200, 200, 200, 429]

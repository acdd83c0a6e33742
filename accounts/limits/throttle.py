"""Rate limits of log-ins and REST calls, counted by django-ratelimit. Blocking: not for the event loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.client_address import address_bucket, client_address
from accounts.limits.rows import read_address_limits
from accounts.limits.rules import Allowance, Count, LimitBook, LimitRow, Rule, parse_rate, rate_headers
from accounts.models import LimitKind, LimitSubject, User
from gateway.errors import AuthenticationFailed, DependencyUnavailable, RateLimitExceeded
from gateway.metrics import LIMITED_LOGINS
from gateway.wording import fill_in

BOOK_LIFE_S = 3
"""What administrators change about addresses counts after this long."""


class RestThrottle(BaseThrottle):
    """Django REST framework's default: counts the requests to views that take no credentials.

    The others were counted by the authentication already: the framework asks for throttling only after what
    it refuses.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.authenticators:
            count_address(request._request)
        return True


def count_account(request: HttpRequest, user: User) -> None:
    """Raises RateLimitExceeded past REST_RATE."""
    _count(request, "rest-account", str(user.pk), parse_rate(settings.REST_RATE), "Too many requests.")


def count_address(request: HttpRequest) -> None:
    """Count a request that came without a good credential. Raises RateLimitExceeded."""
    address = client_address(request)
    rate = _address_book().address_allowance(address, parse_rate(settings.ADDRESS_RATE))
    if rate is not None:
        message = fill_in("Too many requests from this address without a valid credential.")
        _count(request, "rest-address", address_bucket(address), rate, message)


def admit_login(request: HttpRequest, *, username: str, account: User | None = None) -> None:
    """Count a log-in attempt against its name, its account and its address. Raises RateLimitExceeded.

    The account, so that its name and its e-mail address count together; the name, however it is written,
    so that unknown names are limited just like known ones.
    """
    rate, message = parse_rate(settings.LOGIN_RATE), fill_in("Too many log-in attempts.")
    name = User.normalize_username(username).casefold()
    counts = {
        "login-name": name,
        "login-account": str(account.pk) if account else name,
        "login-address": address_bucket(client_address(request)),
    }
    try:
        for group, whom in counts.items():
            _count(request, group, whom, rate, message)
    except RateLimitExceeded:
        LIMITED_LOGINS.inc()
        raise


@contextmanager
def bad_refreshes_counted(request: HttpRequest) -> Iterator[None]:
    """Count refresh tokens that turn out to be bad against their address. Raises RateLimitExceeded.

    Good ones are not counted, so that an office behind one address may refresh all at once. Views use it
    instead of `RestThrottle`, which counts before the token was checked.
    """
    bucket, rate = address_bucket(client_address(request)), parse_rate(settings.LOGIN_RATE)
    message = fill_in("Too many refresh tokens that are not valid.")
    _count(request, "refresh-address", bucket, rate, message, increment=False)
    try:
        yield
    except AuthenticationFailed:
        count_address(request)
        _count(request, "refresh-address", bucket, rate, message)
        raise
    except APIException:  # a malformed body
        count_address(request)
        raise


def _count(
    request: HttpRequest, group: str, whom: str, rate: Allowance, message: str, *, increment: bool = True
) -> None:
    if not rate.value:  # no limit; to django-ratelimit it would be a limit of none at all
        return
    count = partial(
        get_usage,
        request,
        group=group,
        key=lambda _group, _request: whom,
        rate=tuple(rate),
        increment=increment,
    )
    usage = count()
    if usage is not None and usage["time_left"] < 0:
        # Its counter was there, and was evicted before it could grow: it is begun anew.
        usage = count()
    if usage is None:
        return
    if usage["time_left"] < 0:
        raise DependencyUnavailable("The cache does not count.")
    is_over = usage["should_limit"] if increment else usage["count"] >= usage["limit"]
    if is_over:
        rule = Rule(LimitKind.REQUESTS, whom, usage["limit"], rate.window_s)
        headers = rate_headers([Count(rule, usage["count"], usage["time_left"])])
        raise RateLimitExceeded(message, retry_after_s=usage["time_left"], headers=headers)


def _address_book() -> LimitBook:
    cache = caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")]
    limits: list[tuple[str, int, int]] | None = cache.get("address-limits")
    if limits is None:
        limits = read_address_limits()
        cache.set("address-limits", limits, BOOK_LIFE_S)
    return LimitBook(
        (
            LimitRow(LimitSubject.ADDRESS, network, LimitKind.REQUESTS, Allowance(value, window_s))
            for network, value, window_s in limits
        ),
        {},
    )

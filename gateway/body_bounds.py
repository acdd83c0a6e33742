"""How large the body of a request may be, by its path and, where that is large, by who sends it.

Django keeps a body on disk until it is read. So an account sends one import and a few uploads at a time to a
process: any number of them, each within its bound, would fill the disk. What is for an engine is held in
memory until it is answered: only a few large bodies at a time, of all accounts together.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import close_old_connections
from starlette.types import Scope

from accounts.credential_headers import authorization_of
from accounts.limits.retry_times import RetryTimes
from accounts.limits.rules import Rule
from accounts.limits.store import AnswerLease
from accounts.models import LimitKind
from chat.endpoints import OPENAI_ENDPOINTS
from chat.forms import MAX_FIELD_BYTES
from chat.plane import is_chat_path
from chat.web_runtime import get_runtime
from gateway.conf import GatewayConfig
from gateway.errors import AuthenticationFailed, ConcurrencyLimitExceeded, GatewayError
from gateway.http import OWN_API_PREFIX, BodyBound, declared_bytes, header_value, tidy_path
from gateway.middleware import IMPORTS
from gateway.wording import FilledText, fill_in

UPLOADS = "/api/files"
"""Where an account may send as much as MAX_FILE_BYTES allows, if that is more than MAX_BODY_BYTES."""
UPLOADS_AT_A_TIME = 4
"""Of an account, in one process. A page sends two at a time (pages/js/chat/uploads.js)."""
FORM_PATHS = frozenset(endpoint.path for endpoint in OPENAI_ENDPOINTS if endpoint.is_form)
"""Whose files `chat.forms` puts on disk while they come."""
FORMS_AT_A_TIME = 16
"""Of an account, in one process."""
FORM_FIELD_BYTES = 2 * MAX_FIELD_BYTES
"""Their fields, and what lies between."""
FORM_BYTES = 64 * 1024
"""What a form adds to the file in it."""


class Places:
    """How many large bodies of one kind this process holds at a time, of one account and in all."""

    def __init__(self, refusal: FilledText, *, of_account: int, in_all: float = math.inf) -> None:
        self._refusal = refusal
        self._of_account = of_account
        self._in_all = in_all
        self._held: Counter[str] = Counter()
        self._retry_times = RetryTimes()
        self._numbers = itertools.count()

    @contextmanager
    def hold(self, account: str) -> Iterator[None]:
        """Raises ConcurrencyLimitExceeded for one too many."""
        rule = Rule(LimitKind.STREAMS, account, self._of_account, 0)
        if self._held[account] >= self._of_account or self._held.total() >= self._in_all:
            raise ConcurrencyLimitExceeded(self._refusal, retry_after_s=self._retry_times.next_wait(rule))
        lease = AnswerLease(str(next(self._numbers)), (rule,))
        self._held[account] += 1
        self._retry_times.note_start(lease)
        try:
            yield
        finally:
            self._retry_times.note_end(lease)
            self._held[account] -= 1
            if not self._held[account]:
                del self._held[account]


class BodyBounds:
    def __init__(self, config: GatewayConfig) -> None:
        usual, large = config.max_body_bytes, config.max_large_bodies
        form_bytes = config.max_audio_bytes + FORM_FIELD_BYTES
        self._usual = BodyBound(usual)
        self._usual_for_all = nullcontext(self._usual)
        self._import = BodyBound(max(usual, config.max_import_bytes), "MAX_IMPORT_BYTES")
        self._upload = BodyBound(max(usual, config.max_file_bytes + FORM_BYTES), "MAX_FILE_BYTES")
        self._form = BodyBound(max(usual, form_bytes), "MAX_AUDIO_BYTES")
        self._for_engine = BodyBound(max(usual, config.max_engine_body_bytes), "MAX_ENGINE_BODY_BYTES")
        self._importing = Places(fill_in("Too many files are being imported."), of_account=1)
        self._uploading = Places(
            fill_in("Too many files are being uploaded at a time."), of_account=UPLOADS_AT_A_TIME
        )
        self._transcribing = Places(
            fill_in("Too many sounds are being transcribed at a time."), of_account=FORMS_AT_A_TIME
        )
        self._asking = Places(
            fill_in("Too many large requests are being answered at a time."),
            of_account=max(1, large // 2),
            in_all=large,
        )

    def hold(self, scope: Scope) -> AbstractAsyncContextManager[BodyBound]:
        """The bound, for as long as the request lasts.

        Entering raises ConcurrencyLimitExceeded for one import, upload or large request too many.
        """
        path = scope["path"]
        if path == IMPORTS:
            return self._hold_for_sender(scope, self._importing, self._import)
        if path == UPLOADS and scope["method"] == "POST":
            return self._hold_for_sender(scope, self._uploading, self._upload)
        if path.startswith(OWN_API_PREFIX):
            return self._usual_for_all
        if path.rstrip("/") in FORM_PATHS:
            return self._hold_for_sender(scope, self._transcribing, self._form)
        declared = declared_bytes(scope)
        if declared is None and scope["method"] == "POST" and is_for_an_engine(path):
            return self._hold_when_large(scope)
        if declared is not None and declared > self._usual.max_bytes and is_for_an_engine(path):
            return self._hold_for_sender(scope, self._asking, self._for_engine)
        return self._usual_for_all

    @asynccontextmanager
    async def _hold_when_large(self, scope: Scope) -> AsyncIterator[BodyBound]:
        """The usual bound; once more has come, that of large requests, if there is room for one."""
        async with AsyncExitStack() as stack:

            async def grow() -> BodyBound:
                large = self._hold_for_sender(scope, self._asking, self._for_engine)
                return await stack.enter_async_context(large)

            yield self._usual._replace(grow=grow)

    @asynccontextmanager
    async def _hold_for_sender(
        self, scope: Scope, places: Places, bound: BodyBound
    ) -> AsyncIterator[BodyBound]:
        """Nobody without a good credential fills disk or memory, and an account sends a few at a time."""
        if (account := await _find_sender(scope)) is None:
            yield self._usual
            return
        with places.hold(account):
            yield bound


def is_for_an_engine(path: str) -> bool:
    """True for OpenAI's paths and their like, however many slashes are in them."""
    return is_chat_path(path, "POST") and not tidy_path(path).startswith(OWN_API_PREFIX)


async def _find_sender(scope: Scope) -> str | None:
    """The id of the account whose credential is a good one. What it may do, the view says."""
    try:
        authorization = authorization_of(scope)
    except AuthenticationFailed:
        return None
    if authorization is None:
        return await sync_to_async(_find_cookie_user, thread_sensitive=False)(header_value(scope, b"cookie"))
    try:
        principal = await (await get_runtime()).authenticator.authenticate(authorization)
    except GatewayError:
        return None
    return str(principal.user_id)


def _find_cookie_user(header: str | None) -> str | None:
    try:
        cookie = SimpleCookie(header or "").get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if cookie is None:
        return None
    try:
        session = import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
        found = session.get(SESSION_KEY)
        return None if found is None else str(found)
    finally:
        close_old_connections()

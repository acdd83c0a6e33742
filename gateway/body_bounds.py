"""How large the body of a request may be, by its path and, for imports, by who sends it.

Django keeps a body on disk until it is read. So an account sends one import at a time to a process: any
number of them, each within its bound, would fill the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import close_old_connections
from starlette.types import Scope

from chat.web_runtime import get_runtime
from gateway.conf import GatewayConfig
from gateway.errors import ConcurrencyLimitExceeded, GatewayError
from gateway.http import header_value
from gateway.middleware import IMPORTS

UPLOADS = "/api/files"
"""Where a body may be as large as MAX_FILE_BYTES allows, if that is more than MAX_BODY_BYTES."""
FORM_BYTES = 64 * 1024
"""What a form adds to the file in it."""


class BodyBounds:
    def __init__(self, config: GatewayConfig) -> None:
        self._most_bytes = config.max_body_bytes
        self._usual = nullcontext(self._most_bytes)
        self._uploads = nullcontext(max(config.max_body_bytes, config.max_file_bytes + FORM_BYTES))
        self._import_bytes = max(config.max_body_bytes, config.max_import_bytes)
        self._importing: set[str] = set()
        """Accounts whose imports this process reads."""

    def hold(self, scope: Scope) -> AbstractAsyncContextManager[int]:
        """The bound in bytes, for as long as the request lasts.

        Entering raises ConcurrencyLimitExceeded for another import of the same account.
        """
        path = scope["path"]
        if path == IMPORTS:
            return self._hold_import(scope)
        return self._uploads if path == UPLOADS else self._usual

    @asynccontextmanager
    async def _hold_import(self, scope: Scope) -> AsyncIterator[int]:
        """Nobody who is not logged in fills the disk with imports, and an account sends one at a time."""
        if (account := await _find_sender(scope)) is None:
            yield self._most_bytes
            return
        if account in self._importing:
            raise ConcurrencyLimitExceeded("Too many files are being imported.")
        self._importing.add(account)
        try:
            yield self._import_bytes
        finally:
            self._importing.discard(account)


async def _find_sender(scope: Scope) -> str | None:
    """The id of the account whose credential is a good one. What it may do, the view says."""
    authorization = header_value(scope, b"authorization")
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

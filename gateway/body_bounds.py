"""How large the body of a request may be, by its path and, for imports and uploads, by who sends it.

Django keeps a body on disk until it is read. So an account sends one import and a few uploads at a time to a
process: any number of them, each within its bound, would fill the disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import close_old_connections
from starlette.types import Scope

from chat.endpoints import OPENAI_ENDPOINTS
from chat.forms import MAX_FIELD_BYTES
from chat.web_runtime import get_runtime
from gateway.conf import GatewayConfig
from gateway.errors import ConcurrencyLimitExceeded, GatewayError
from gateway.http import header_value
from gateway.middleware import IMPORTS

UPLOADS = "/api/files"
"""Where an account may send as much as MAX_FILE_BYTES allows, if that is more than MAX_BODY_BYTES."""
UPLOADS_AT_A_TIME = 4
"""Of an account, in one process. A page sends two at a time (pages/js/chat/uploads.js)."""
FORM_PATHS = frozenset(endpoint.path for endpoint in OPENAI_ENDPOINTS if endpoint.is_form)
"""Whose files `chat.forms` puts on disk while they come."""
FORM_FIELD_BYTES = 2 * MAX_FIELD_BYTES
"""Their fields, and what lies between."""
FORM_BYTES = 64 * 1024
"""What a form adds to the file in it."""


class BodyBounds:
    def __init__(self, config: GatewayConfig) -> None:
        self._most_bytes = config.max_body_bytes
        self._usual = nullcontext(self._most_bytes)
        # Read only once the caller is known, and has a place among the answers.
        self._form = nullcontext(max(config.max_body_bytes, config.max_audio_bytes + FORM_FIELD_BYTES))
        self._upload_bytes = max(config.max_body_bytes, config.max_file_bytes + FORM_BYTES)
        self._import_bytes = max(config.max_body_bytes, config.max_import_bytes)
        self._importing: Counter[str] = Counter()
        self._uploading: Counter[str] = Counter()
        """Of each account, how many this process reads."""

    def hold(self, scope: Scope) -> AbstractAsyncContextManager[int]:
        """The bound in bytes, for as long as the request lasts.

        Entering raises ConcurrencyLimitExceeded for one import or upload too many of the same account.
        """
        path = scope["path"]
        if path == IMPORTS:
            refusal = ConcurrencyLimitExceeded("Too many files are being imported.")
            return self._hold_for_sender(scope, self._importing, 1, self._import_bytes, refusal)
        if path == UPLOADS and scope["method"] == "POST":
            refusal = ConcurrencyLimitExceeded("Too many files are being uploaded at a time.")
            return self._hold_for_sender(
                scope, self._uploading, UPLOADS_AT_A_TIME, self._upload_bytes, refusal
            )
        return self._form if path in FORM_PATHS else self._usual

    @asynccontextmanager
    async def _hold_for_sender(
        self,
        scope: Scope,
        reading: Counter[str],
        most: int,
        most_bytes: int,
        refusal: ConcurrencyLimitExceeded,
    ) -> AsyncIterator[int]:
        """Nobody who is not logged in fills the disk, and an account sends `most` at a time."""
        if (account := await _find_sender(scope)) is None:
            yield self._most_bytes
            return
        if reading[account] >= most:
            raise refusal
        reading[account] += 1
        try:
            yield most_bytes
        finally:
            reading[account] -= 1
            if not reading[account]:
                del reading[account]


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

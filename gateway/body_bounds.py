"""How large the body of a request may be, by its path and, for imports, by who sends it."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import close_old_connections
from starlette.types import Scope

from chat.web_runtime import get_runtime
from gateway.conf import GatewayConfig
from gateway.errors import GatewayError
from gateway.http import header_value
from gateway.middleware import IMPORTS

UPLOADS = "/api/files"
"""Where a body may be as large as MAX_FILE_BYTES allows, if that is more than MAX_BODY_BYTES."""
FORM_BYTES = 64 * 1024
"""What a form adds to the file in it."""


class BodyBounds:
    def __init__(self, config: GatewayConfig) -> None:
        self._most_bytes = config.max_body_bytes
        self._upload_bytes = max(config.max_body_bytes, config.max_file_bytes + FORM_BYTES)
        self._import_bytes = max(config.max_body_bytes, config.max_import_bytes)

    async def find(self, scope: Scope) -> int:
        """In bytes. Nobody who is not logged in fills the disk with imports."""
        if scope["path"] == UPLOADS:
            return self._upload_bytes
        if scope["path"] == IMPORTS and await _is_sent_by_somebody(scope):
            return self._import_bytes
        return self._most_bytes


async def _is_sent_by_somebody(scope: Scope) -> bool:
    """Whether the credential is a good one. What it may do, the view says."""
    authorization = header_value(scope, b"authorization")
    if authorization is None:
        return await sync_to_async(_is_cookie_known, thread_sensitive=False)(header_value(scope, b"cookie"))
    try:
        await (await get_runtime()).authenticator.authenticate(authorization)
    except GatewayError:
        return False
    return True


def _is_cookie_known(header: str | None) -> bool:
    try:
        cookie = SimpleCookie(header or "").get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    if cookie is None:
        return False
    try:
        session = import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
        return SESSION_KEY in session
    finally:
        close_old_connections()

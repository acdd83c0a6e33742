"""Static files past Django: a first visit asks for a hundred, and each costs threads and a handler there."""

from __future__ import annotations

import functools

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http import header_value
from gateway.page_security import page_headers
from gateway.static_files import VersionedStaticFilesMiddleware

READ_HEADERS = ("accept-encoding", "if-none-match", "if-modified-since", "range")
"""Those that WhiteNoise looks at."""


class StaticPlane:
    """Answers for the files that WhiteNoise knows; everything else is for `pages`.

    With DEBUG Django's middleware answers, as it looks for files anew each time.
    """

    def __init__(self, pages: ASGIApp) -> None:
        self._pages = pages

    @functools.cached_property
    def _files(self) -> VersionedStaticFilesMiddleware:
        return VersionedStaticFilesMiddleware(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None if self._files.autorefresh else self._files.find(scope["path"])
        if found is None:
            await self._pages(scope, receive, send)
            return
        static_file, own_headers = found
        asked = {_wsgi_name(name): header_value(scope, name.encode()) for name in READ_HEADERS}
        response = static_file.get_response(scope["method"], {k: v for k, v in asked.items() if v})
        # Read at once: it is a few kilobytes, and in the system's cache after the first time.
        body = response.file.read() if response.file else b""
        if response.file:
            response.file.close()
        headers = {name.lower(): value for name, value in response.headers} | own_headers
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send(
            {
                "type": "http.response.start",
                "status": int(response.status),
                "headers": [*encoded, *page_headers()],
            }
        )
        await send({"type": "http.response.body", "body": body})


def _wsgi_name(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"

"""The address at which people reach the gateway: behind TLS, and perhaps below a path of a host.

Within the gateway, paths begin at its own root. BASE_PATH is taken off each request's path once, before
anything looks at it, and put back for Django, which writes links (docs/adr/0014).
"""

from __future__ import annotations

from collections.abc import Container

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.conf import GatewayConfig
from gateway.errors import NotFound
from gateway.wording import fill_in

OUTSIDE = ""
"""Stands for a path outside BASE_PATH: no route has it."""


class BasePath:
    """Answers below `base_path` as `app` does at the root, and `at_root` there: probes come past the proxy.

    Nothing else has a second address: with a proxy that takes the prefix off, `/chat/` would be ambiguous
    where the base path is `/chat`.
    """

    def __init__(self, app: ASGIApp, base_path: str, *, at_root: Container[str]) -> None:
        self._app = app
        self._base_path = base_path
        self._at_root = at_root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, "path": self._find_inner_path(scope["path"])}
        await self._app(scope, receive, send)

    def _find_inner_path(self, path: str) -> str:
        inner = path.removeprefix(self._base_path)
        if inner != path and inner[:1] in {"", "/"}:
            return inner or "/"
        return path if path in self._at_root else OUTSIDE


class DjangoPlane:
    """Gives Django the request as its client sent it: by https, and with the base path.

    Where SECURE_COOKIES says that people come by https, a form's origin is then compared with `https://` and
    the Host header, whatever port that has.
    """

    def __init__(self, django: ASGIApp, config: GatewayConfig) -> None:
        self._django = django
        self._base_path = config.base_path
        self._is_https = config.secure_cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._base_path and scope["path"] == OUTSIDE:
            raise NotFound(
                fill_in(
                    "This gateway answers below {base_path} (BASE_PATH), which a proxy has to pass on.",
                    base_path=self._base_path,
                )
            )
        scope = {**scope, "path": f"{self._base_path}{scope['path']}"}
        if self._is_https:
            scope["scheme"] = "https"
        await self._django(scope, receive, send)

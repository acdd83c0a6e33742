"""The ASGI entry point of the gateway.

`GatewayApplication` does what every request needs (id, host, bounded body, access log) and calls the chat
plane (Starlette, lean) or the pages plane (Django: REST, admin, probes). docs/adr/0001 says why.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from typing import Any, cast

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup(set_prefix=False)

import structlog  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from starlette.middleware.cors import CORSMiddleware  # noqa: E402
from starlette.types import ASGIApp, Message, Receive, Scope, Send  # noqa: E402

from accounts.client_address import find_address  # noqa: E402
from chat.plane import build_chat_plane, is_chat_path  # noqa: E402
from chat.web_runtime import get_runtime, stop_runtime  # noqa: E402
from gateway.body_bounds import BodyBounds  # noqa: E402
from gateway.conf import GatewayConfig, get_config  # noqa: E402
from gateway.database.bounds import bound_queries  # noqa: E402
from gateway.desk_plane import DeskPlane, build_socket_router  # noqa: E402
from gateway.desk_runtime import stop_desk_runtime  # noqa: E402
from gateway.envelopes import is_anthropic  # noqa: E402
from gateway.errors import GatewayError  # noqa: E402
from gateway.http import (  # noqa: E402
    ARRIVED_AT,
    bounded_receive,
    check_encoding,
    check_host,
    header_value,
    header_values,
    send_error,
)
from gateway.page_security import page_headers  # noqa: E402
from gateway.probes import ProbeLog  # noqa: E402
from gateway.public_address import BasePath, DjangoPlane  # noqa: E402
from gateway.request_id import accept_request_id, current_request_id  # noqa: E402
from gateway.static_plane import StaticPlane  # noqa: E402
from gateway.tracing import close_tracing, find_tracer  # noqa: E402

log = structlog.get_logger()

PROBES = frozenset({"/health", "/health/ready", "/metrics"})
"""Asked every few seconds: those that go well are logged once a minute."""

EXPOSED_HEADERS = [
    "x-request-id",
    "request-id",
    "x-conversation-id",
    "x-message-id",
    "x-omitted-messages",
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
]


class GatewayApplication:
    """Passes each request to its plane, with a request id, host check, body bounds and access log."""

    def __init__(self, *, chat: ASGIApp, pages: ASGIApp, config: GatewayConfig) -> None:
        self._chat = chat
        self._pages = pages
        self._config = config
        sts = f"max-age={config.hsts_seconds}".encode()
        self._body_bounds = BodyBounds(config)
        self._probe_log = ProbeLog()
        self._page_headers = [(b"strict-transport-security", sts)] if config.hsts_seconds else []
        # Django sets the header on its pages. Without it a browser might take a model's JSON for HTML.
        self._chat_headers = [*self._page_headers, (b"x-content-type-options", b"nosniff")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = accept_request_id(header_value(scope, b"x-request-id"))
        current_request_id.set(request_id)
        fields: dict[str, Any] = {}
        scope["gateway.log"] = fields
        scope[ARRIVED_AT] = started
        is_chat = is_chat_path(scope["path"], scope["method"])
        own_headers = self._chat_headers if is_chat else self._page_headers
        own_headers = [*own_headers, (b"x-request-id", request_id.encode())]
        if is_anthropic(scope["path"]):
            own_headers.append((b"request-id", request_id.encode()))
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *own_headers]
            await send(message)

        plane = self._chat if is_chat else self._pages
        try:
            check_host(scope, self._config.hosts)
            check_encoding(scope)
            async with self._body_bounds.hold(scope) as bound:
                bounded = bounded_receive(scope, receive, bound=bound, timeout_s=self._config.body_timeout_s)
                await plane(scope, bounded, send_with_id)
        except GatewayError as exc:
            if status:
                raise
            if not is_chat:
                own_headers += page_headers()
            await send_error(
                send_with_id,
                exc,
                path=scope["path"],
                accept_language=header_value(scope, b"accept-language"),
            )
        finally:
            is_quiet = False
            if scope["path"] in PROBES and status < 400:
                unlogged = self._probe_log.note(scope["path"], started)
                is_quiet = unlogged is None
                fields["unlogged"] = unlogged
            (log.debug if is_quiet else log.info)(
                "request",
                method=scope["method"],
                # As it came, percent-encoded: a decoded one could hold a terminal's control characters.
                path=scope.get("raw_path", b"").decode("ascii", "replace"),
                status=status,
                client=self._address_of(scope),
                latency_ms=round((time.perf_counter() - started) * 1000, 1),
                **fields,
            )

    def _address_of(self, scope: Scope) -> str | None:
        hops = self._config.trusted_proxy_hops
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded_for = ",".join(header_values(scope, b"x-forwarded-for")) if hops else ""
        return find_address(peer=peer, forwarded_for=forwarded_for, trusted_hops=hops)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Start the chat runtime at startup, and stop it at shutdown, after its answers ended."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            bound_queries(get_config().database_timeout_s)
            find_tracer()  # loads OpenTelemetry, where traces are wanted, before a request would wait for it
            await get_runtime()
            spare_the_collector()
        elif message["type"] == "lifespan.shutdown":
            await stop_desk_runtime()
            await stop_runtime()
            await asyncio.to_thread(close_tracing)
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def spare_the_collector() -> None:
    """Freeze the objects that live as long as the process, and collect garbage less often.

    By default every 700 new containers start a collection, and the oldest generation's walks through all
    of Django: 6 to 8 % of the CPU of a short request, measured on 2026-11-22 (benchmarks/README.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def build_application(config: GatewayConfig) -> ASGIApp:
    gateway: ASGIApp = GatewayApplication(
        chat=build_chat_plane(),
        pages=DeskPlane(StaticPlane(DjangoPlane(cast("ASGIApp", ASGIHandler()), config))),
        config=config,
    )
    if config.cors_origins:
        gateway = CORSMiddleware(
            gateway,
            allow_origins=config.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            # SDKs add headers of their own (x-stainless-…); none is trusted more for being allowed.
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )
    router: ASGIApp = ProtocolTypeRouter(
        {"http": gateway, "websocket": build_socket_router(), "lifespan": lifespan}
    )
    return BasePath(router, config.base_path, at_root=PROBES) if config.base_path else router


application = build_application(get_config())

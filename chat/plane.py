"""The chat plane: a small Starlette application, with none of Django's middleware on its path."""

from __future__ import annotations

import re
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat import views
from gateway import metrics
from gateway.errors import (
    GatewayError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    status_of,
    to_envelope,
)

log = structlog.get_logger()

OTHER_MODEL = "other"
CLIENT_CLOSED_REQUEST = 499
"""nginx's status for it; it appears in the access log alone."""

_message_action = re.compile(r"/api/conversations/[^/]+/messages/[^/]+/cancel")


def is_chat_path(path: str) -> bool:
    """True for the paths that this plane answers, whatever their method."""
    return (
        path == "/api/chat"
        or path.startswith("/v1/")
        or path == "/v1"
        or (path.startswith("/api/conversations/") and _message_action.fullmatch(path) is not None)
    )


def build_chat_plane() -> Starlette:
    return Starlette(
        routes=[
            Route("/api/chat", views.chat, methods=["POST"]),
            *(
                Route(path, partial(views.openai_completion, path=path), methods=["POST"])
                for path in ("/v1/chat/completions", "/v1/completions")
            ),
            Route("/v1/models", views.list_models),
            Route("/v1/models/{model_id:path}", views.get_model),
            Route(
                "/api/conversations/{conversation_id:uuid}/messages/{message_id:uuid}/cancel",
                views.cancel_message,
                methods=["POST"],
            ),
        ],
        exception_handlers={
            GatewayError: render_error,
            HTTPException: render_http_exception,
            ClientDisconnect: render_gone,
            Exception: render_unexpected,
        },
    )


async def render_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, GatewayError):
        raise exc
    fields = request.scope["gateway.log"]
    if "outcome" not in fields:
        # Refused before a model was chosen.
        metrics.CHAT_REQUESTS.labels(OTHER_MODEL, exc.code).inc()
        fields["outcome"] = exc.code
    return JSONResponse(to_envelope(exc), status_code=status_of(exc), headers=exc.headers)


async def render_http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's own: no route, or not with this method."""
    headers = getattr(exc, "headers", None)
    if getattr(exc, "status_code", 404) == 405:
        return await render_error(request, MethodNotAllowed(headers=headers))
    return await render_error(request, NotFound(f"There is no path {request.url.path}."))


async def render_gone(request: Request, exc: Exception) -> Response:
    """The client left before its request was complete; nobody reads this answer."""
    request.scope["gateway.log"]["outcome"] = "client_left"
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def render_unexpected(request: Request, exc: Exception) -> Response:
    log.error("unexpected_error", exc_info=exc)
    return await render_error(request, InternalError())

"""The chat plane: routes requests to its views, without Django's middleware."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from accounts.request_admission import ADMISSION
from accounts.usage.spent import REFUSED
from chat import audio_views, message_views, openai_views, response_views, views
from chat.endpoints import (
    CANCEL_PATH,
    CHAT_PATH,
    CONTINUE_PATH,
    CONVERSATION_PATHS,
    MESSAGES_PATH,
    MODEL_EVENTS_PATH,
    MODEL_PATH,
    MODELS_PATH,
    OPENAI_ENDPOINTS,
    POSTED_CONVERSATION_PATHS,
    REGENERATE_PATH,
    RESPONSE_CANCEL_PATH,
    RESPONSE_ITEMS_PATH,
    RESPONSE_PATH,
    RESPONSES,
    ROOT_PATHS,
    STREAM_PATH,
    Endpoint,
)
from chat.model_event_stream import stream_model_events
from chat.resuming import resume_answer
from gateway import metrics
from gateway.errors import GatewayError, InternalError, MethodNotAllowed, NotFound
from gateway.http import OWN_API_PREFIX, tidy_path
from gateway.shortening import shorten
from gateway.wording import fill_in

log = structlog.get_logger()

View = Callable[[Request], Awaitable[Response]]


def _pattern_of(paths: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.sub(r"{[^}]+}", "[^/]+", path) for path in paths))


_conversation_path = _pattern_of(CONVERSATION_PATHS)
_posted_path = _pattern_of([*CONVERSATION_PATHS, *POSTED_CONVERSATION_PATHS])


def is_chat_path(path: str, method: str) -> bool:
    """True for what this plane answers: most of its paths whatever the method."""
    return (
        path in {CHAT_PATH, MODEL_EVENTS_PATH}
        or path.startswith("/v1/")
        or path == "/v1"
        or path in ROOT_PATHS
        or (path.startswith("/api/conversations/") and _is_own(path, method))
        or (is_untidy(path) and is_chat_path(tidy_path(path), method))
    )


def _is_own(path: str, method: str) -> bool:
    """Whether a path of conversations is this plane's."""
    return (_posted_path if method == "POST" else _conversation_path).fullmatch(path) is not None


def is_untidy(path: str) -> bool:
    """True for a path with a doubled slash or one at its end, such as a base URL that ends in one makes."""
    return "//" in path or (path.endswith("/") and path != "/")


class ChatPlane:
    """Finds the view and runs it. Raises only GatewayError, which `gateway.asgi` renders.

    Starlette's routes, requests and responses, but not its application, whose layers each wrap `send`
    once for every event of every stream (docs/adr/0001).
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            view = self._find_view(scope)
            response = await view(Request(scope, receive))
            await response(scope, receive, send)
        except GatewayError as exc:
            count_refusal(scope, exc)
            if (admission := scope.get(ADMISSION)) is None:
                raise
            admission.end(REFUSED)
            raise exc.with_headers(admission.headers) from exc
        except ClientDisconnect:
            # The client closed the connection before its request was complete.
            scope["gateway.log"]["outcome"] = "client_left"
        except Exception as exc:
            log.error("unexpected_error", exc_info=exc)
            error = InternalError()
            count_refusal(scope, error)
            raise error from exc
        finally:
            # After every outcome. An answer has already ended it, with the tokens that it used.
            if (admission := scope.get(ADMISSION)) is not None:
                admission.end()

    def _find_view(self, scope: Scope) -> View:
        if is_untidy(scope["path"]):
            tidy = tidy_path(scope["path"])
            if tidy.startswith(OWN_API_PREFIX):
                raise self._name_path(scope)
            # A base URL that ends in a slash is written by hand into many programs.
            scope["path"] = tidy
        allowed: set[str] = set()
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                view: View = route.endpoint
                return view
            if match is Match.PARTIAL:
                allowed |= route.methods or set()
        if not allowed:
            raise NotFound(fill_in("There is no path {path}.", path=shorten(scope["path"])))
        headers = {"Allow": ", ".join(sorted({*allowed, "OPTIONS"}))}
        if scope["method"] == "OPTIONS":
            return partial(_answer_options, headers=headers)
        raise MethodNotAllowed(headers=headers)

    def _name_path(self, scope: Scope) -> NotFound:
        """The error for an untidy path, with the path to use where there is one."""
        tidy = tidy_path(scope["path"])
        is_known = any(route.matches({**scope, "path": tidy})[0] is not Match.NONE for route in self.routes)
        path = shorten(scope["path"])
        if is_known:
            return NotFound(fill_in("There is no path {path}. Use {tidy}.", path=path, tidy=shorten(tidy)))
        return NotFound(fill_in("There is no path {path}.", path=path))


async def _answer_options(_request: Request, *, headers: dict[str, str]) -> Response:
    """What a path takes, for whoever asks. Preflight requests of browsers are answered by the CORS layer."""
    return Response(status_code=204, headers=headers)


def _view_of(endpoint: Endpoint) -> Callable[..., Awaitable[Response]]:
    return audio_views.call_engine_with_file if endpoint.is_form else openai_views.call_engine


def build_chat_plane() -> ChatPlane:
    return ChatPlane(
        [
            Route(CHAT_PATH, views.chat, methods=["POST"]),
            *(
                Route(endpoint.path, partial(_view_of(endpoint), endpoint=endpoint), methods=["POST"])
                for endpoint in OPENAI_ENDPOINTS
                if endpoint is not RESPONSES
            ),
            Route(RESPONSES.path, response_views.create_response, methods=["POST"]),
            Route(RESPONSE_PATH, response_views.get_response),
            Route(RESPONSE_PATH, response_views.delete_response, methods=["DELETE"]),
            Route(RESPONSE_CANCEL_PATH, response_views.cancel_response, methods=["POST"]),
            Route(RESPONSE_ITEMS_PATH, response_views.list_response_items),
            Route(MODEL_EVENTS_PATH, stream_model_events),
            Route(MODELS_PATH, openai_views.list_models),
            Route(MODEL_PATH, openai_views.get_model),
            Route(MESSAGES_PATH, views.chat, methods=["POST"]),
            Route(REGENERATE_PATH, message_views.regenerate_message, methods=["POST"]),
            Route(CONTINUE_PATH, message_views.continue_message, methods=["POST"]),
            Route(CANCEL_PATH, message_views.cancel_message, methods=["POST"]),
            Route(STREAM_PATH, resume_answer),
        ]
    )


def count_refusal(scope: Scope, error: GatewayError) -> None:
    """Count a request that was refused before a model was chosen; answers count themselves."""
    fields = scope["gateway.log"]
    if "outcome" not in fields:
        metrics.CHAT_REQUESTS.labels(metrics.OTHER, error.code).inc()
        fields["outcome"] = error.code

"""The stages of every request for an answer, stored or not. Errors are raised, never caught here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request

from accounts.principals import Principal
from accounts.scopes import Scope
from chat.client import Headers
from chat.endpoints import CHAT_COMPLETIONS, Endpoint
from chat.model_tasks import missing_path_error, require_task
from chat.prompt_cache import private_media_id, salt_fields
from chat.schemas import AnswerRequest
from chat.upstream import EngineCall
from chat.web_runtime import WebRuntime
from conversations.prompt_sizes import TurnLimits
from gateway.conf import GatewayConfig
from gateway.request_id import current_request_id
from modelops.serving.live import LiveBoard
from modelops.serving.routes import Route

MOST_ANSWER_TOKENS = 1024
"""Left free for an answer of which no limit is known, up to a quarter of the context."""


class RoutedRequest(msgspec.Struct, frozen=True):
    """A request for an answer that was admitted, parsed and routed."""

    runtime: WebRuntime
    request: Request
    principal: Principal
    headers: Headers
    body: AnswerRequest
    route: Route


async def admit_generation(
    runtime: WebRuntime, request: Request, *scopes: Scope
) -> tuple[Principal, Headers]:
    """The caller, whose credential has one of `scopes`, and the rate headers of the answer.

    Raises AuthenticationFailed, PermissionDenied or one of the 429s.
    """
    principal, admission = await runtime.request_admission.admit_generation(request, *scopes)
    return principal, [(name.encode(), value.encode()) for name, value in admission.headers.items()]


def call_if_allowed(
    route: Route,
    *,
    principal: Principal,
    make_call: Callable[[Route], EngineCall],
    board: LiveBoard,
    endpoint: Endpoint = CHAT_COMPLETIONS,
) -> EngineCall:
    """The call, unless the caller may not use the model, or it is of another kind.

    A switch may have changed it during a wait.
    Raises PermissionDenied or TaskNotSupported.
    """
    principal.require_model(route.model)
    require_task(route, endpoint, board.routes)
    call = make_call(route)
    return msgspec.structs.replace(
        call, missing_error=partial(missing_path_error, route, endpoint, board.routes)
    )


async def find_route(
    runtime: WebRuntime,
    request: Request,
    principal: Principal,
    model: str,
    endpoint: Endpoint = CHAT_COMPLETIONS,
) -> Route:
    """The route of the request, resolved before anything is recorded; switches the profile where allowed.

    Raises PermissionDenied, ModelNotFound, TaskNotSupported, ModelSwitching, ModelLoading or NoModel.
    """
    route = runtime.board.resolve(model, may_switch=may_switch(runtime.config, principal))
    principal.require_model(route.model)
    if route.switch_to:
        await runtime.switch_to(route.switch_to, principal, request, endpoint.tasks)
        route = runtime.board.resolve(model)
        principal.require_model(route.model)
    require_task(route, endpoint, runtime.board.routes)
    runtime.engine_admission.check_queue_space(route)
    return route


def may_switch(config: GatewayConfig, principal: Principal) -> bool:
    """Whether this caller's request for a profile that is not served switches to it."""
    return config.switch_on_request == "user" or (config.switch_on_request == "admin" and principal.is_admin)


def salt_of(config: GatewayConfig, principal: Principal) -> dict[str, str]:
    return salt_fields(config, secret=config.secret_key, user_id=principal.user_id)


def settings_of(asked: RoutedRequest) -> dict[str, Any]:
    """What every turn of this caller at this route has."""
    return {
        "owner_id": asked.principal.user_id,
        "model": asked.route.model,
        "request_id": current_request_id.get(),
        "lease_s": asked.runtime.config.message_lease_s,
        "limits": limits_of(asked),
        "name_media": partial(
            private_media_id,
            secret=asked.runtime.config.secret_key,
            user_id=asked.principal.user_id,
        ),
    }


def limits_of(asked: RoutedRequest) -> TurnLimits:
    """What bounds the turn. A prompt that may be shortened leaves room for the answer."""
    body, route = asked.body, asked.route
    return TurnLimits(
        model=route.model,
        context_tokens=route.max_model_len,
        conversation_bytes=asked.runtime.config.max_conversation_bytes,
        keeps_newest=body.truncation == "oldest",
        answer_tokens=body.max_tokens
        or route.max_output_tokens
        or min(MOST_ANSWER_TOKENS, (route.max_model_len or 0) // 4),
    )

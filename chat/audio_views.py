"""Transcriptions and translations of sounds: a form with a file, which is passed on without being held."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from accounts.principals import Principal
from chat.client import Headers
from chat.endpoints import Endpoint
from chat.form_fields import is_set, read_fields, write_fields
from chat.forms import Form, FormBody, FormFile, read_form
from chat.generation import Generation
from chat.responses import PassedThroughAnswer, StreamedAnswer
from chat.routing import trace_of
from chat.slot_queues import RouteRequest
from chat.stages import admit_generation, call_if_allowed, find_route
from chat.upstream import EngineCall
from chat.web_runtime import WebRuntime, get_runtime
from modelops.serving.routes import Route

USAGE_FIELD = "stream_include_usage"


class _AnswerToForm(Response):
    """An answer for which the form's file is kept until it has ended."""

    def __init__(self, answer: Response, form: Form) -> None:
        self._answer = answer
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            self._form.close()


async def call_engine_with_file(request: Request, *, endpoint: Endpoint) -> Response:
    """POST of a form: nothing of it is read before the caller is known, nor kept after the answer."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, *endpoint.scopes)
    form = await read_form(
        request.headers.get("content-type", ""),
        request.stream(),
        max_file_bytes=runtime.config.max_audio_bytes,
    )
    try:
        answer = await _make_answer(runtime, request, principal, headers, endpoint, form)
    except BaseException:
        form.close()
        raise
    return _AnswerToForm(answer, form)


async def _make_answer(
    runtime: WebRuntime,
    request: Request,
    principal: Principal,
    headers: Headers,
    endpoint: Endpoint,
    form: Form,
) -> Response:
    body = read_fields(form.fields, endpoint.caps, runtime.config)
    is_stream = is_set(body, "stream")
    route = await find_route(runtime, request, principal, body["model"], endpoint)
    generation = Generation(
        admission=runtime.engine_admission,
        request=RouteRequest(body["model"], is_stream=is_stream),
        engine=runtime.engine,
        make_call=partial(
            call_if_allowed,
            principal=principal,
            board=runtime.board,
            endpoint=endpoint,
            make_call=partial(
                _make_call,
                endpoint=endpoint,
                body=body | ({USAGE_FIELD: "true"} if is_stream else {}),
                file=form.file,
                traceparent=trace_of(request.headers.get("traceparent")),
            ),
        ),
        timeouts=runtime.timeouts,
        max_bytes=runtime.config.max_answer_bytes,
        model=route.model,
        keep_usage=is_set(body, USAGE_FIELD),
        endpoint=endpoint.path,
        wire=endpoint.make_wire(),
    )
    answer = StreamedAnswer if is_stream else PassedThroughAnswer
    return answer(generation, headers=headers, registry=runtime.registry)


def _make_call(
    route: Route, *, endpoint: Endpoint, body: dict[str, Any], file: FormFile, traceparent: str | None
) -> EngineCall:
    fields = write_fields(body | {"model": route.model})
    return EngineCall(endpoint.path, FormBody(fields, file), traceparent)

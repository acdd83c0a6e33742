"""OpenAI's responses: the engine answers them and keeps nothing, what is stored is here (docs/adr/0022)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.utils import timezone
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from accounts.principals import Principal
from accounts.scopes import Scope
from chat.endpoints import RESPONSES
from chat.openai_views import is_stream, make_generation, read_body
from chat.response_answers import StreamedResponse, WholeResponse, begin_object
from chat.response_items import is_reference, list_items, list_references, read_page
from chat.response_wire import ResponseRecord
from chat.responses import PassedThroughAnswer, StreamedAnswer
from chat.stages import admit_generation, find_route
from chat.web_runtime import WebRuntime, get_runtime
from conversations.models import MAX_MODEL_NAME, ROW_BYTES, ResponseStatus, StoredResponse
from conversations.response_ids import name_response, no_response, read_response_id
from conversations.stored_responses import (
    PREVIOUS,
    EarlierItems,
    EarlierKey,
    NamedItems,
    NewResponse,
    ResponseKey,
    begin_responses,
    delete_responses,
    find_earlier,
    find_items,
    find_responses,
)
from gateway.caller_language import translator_for
from gateway.errors import AnswerInterrupted, InvalidRequest, NotFound, describe_error


async def create_response(request: Request) -> Response:
    """POST /v1/responses. Stored unless `store` is false, where the credential may read what is stored."""
    runtime = await get_runtime()
    principal, headers = await admit_generation(runtime, request, RESPONSES.scope)
    body = await read_body(runtime, request, principal, RESPONSES)
    record = read_record(body, may_store=_may_store(runtime, principal))
    items = list_items(body.get("input"))
    route = await find_route(runtime, request, principal, body["model"], RESPONSES)
    earlier = await _find_earlier(runtime, principal, record)
    if references := list_references(items):
        items = body["input"] = await _resolve(runtime, principal, items, references)
    if earlier is not None:
        body["input"] = [*earlier.items, *items]
    generation = make_generation(
        runtime, request, principal, endpoint=RESPONSES, body=body, route=route, wire=record.make_wire()
    )
    is_streamed = is_stream(RESPONSES, body)
    if not record.is_stored:
        stateless = StreamedAnswer if is_streamed else PassedThroughAnswer
        return stateless(generation, headers=headers, registry=runtime.registry)
    stored = msgspec.json.encode(items)
    thread_id = earlier.thread_id if earlier else record.id
    await _begin(runtime, principal, record, stored.decode(), thread_id=thread_id, model=route.model)
    answer = StreamedResponse if is_streamed else WholeResponse
    return answer(
        generation,
        headers=headers,
        registry=runtime.responses,
        record=record,
        recorder=runtime.recorder,
        input_bytes=len(stored),
    )


def read_record(body: dict[str, Any], *, may_store: bool) -> ResponseRecord:
    """What the gateway does for the request itself, taken out of its body. Raises InvalidRequest."""
    if body.get("background"):
        raise InvalidRequest(
            "background: responses are not generated in the background here. Stream the response.",
            param="background",
        )
    if body.get("conversation") is not None:
        raise InvalidRequest(
            "conversation: there are no such objects here. Go on with `previous_response_id`.",
            param="conversation",
        )
    store = body.get("store")
    if store is not None and not isinstance(store, bool):
        raise InvalidRequest("`store` must be true or false.", param="store")
    previous = body.pop(PREVIOUS, None)
    if previous is not None and not isinstance(previous, str):
        raise InvalidRequest("`previous_response_id` must be a string.", param=PREVIOUS)
    previous_id = read_response_id(previous) if previous else None
    if previous and previous_id is None:
        raise NotFound("There is no such response, or one before it is gone.", param=PREVIOUS)
    body["store"] = False  # the engine's own store is its memory, which nobody but the engine empties
    return ResponseRecord(is_stored=may_store and store is not False, previous_id=previous_id)


def _may_store(runtime: WebRuntime, principal: Principal) -> bool:
    return runtime.config.stored_response_days > 0 and principal.has(Scope.HISTORY)


async def _find_earlier(
    runtime: WebRuntime, principal: Principal, record: ResponseRecord
) -> EarlierItems | None:
    """What the response goes on with. Raises PermissionDenied, and as `find_earlier`."""
    if record.previous_id is None:
        return None
    principal.require(Scope.HISTORY)
    key = EarlierKey(
        owner_id=principal.user_id,
        previous_id=record.previous_id,
        limit_bytes=runtime.config.max_conversation_bytes,
    )
    found: EarlierItems = await runtime.worker.submit(find_earlier, key)
    return found


async def _resolve(
    runtime: WebRuntime, principal: Principal, items: list[Any], references: frozenset[str]
) -> list[Any]:
    """The items, with those that only name one of an earlier output replaced by it, as no engine knows it.

    Raises PermissionDenied and NotFound.
    """
    principal.require(Scope.HISTORY)
    found = await runtime.worker.submit(find_items, NamedItems(principal.user_id, references))
    return [found[item["id"]] if is_reference(item) else item for item in items]


async def _begin(
    runtime: WebRuntime,
    principal: Principal,
    record: ResponseRecord,
    items: str,
    *,
    thread_id: UUID,
    model: str,
) -> None:
    """Store the request, so that it can be cancelled from its first event on. Raises StorageFull."""
    await runtime.turns.reserve(principal.user_id, len(items.encode()) + ROW_BYTES)
    new = NewResponse(
        id=record.id,
        owner_id=principal.user_id,
        thread_id=thread_id,
        previous_id=record.previous_id,
        model=model[:MAX_MODEL_NAME],
        input=items,
        answer=msgspec.json.encode(begin_object(record, model=model)).decode(),
        expires_at=timezone.now() + timedelta(days=runtime.config.stored_response_days),
    )
    await runtime.worker.submit(begin_responses, new)


async def get_response(request: Request) -> Response:
    """GET /v1/responses/{id}."""
    runtime, key = await _read_key(request)
    if request.query_params.get("stream", "false") != "false":
        raise InvalidRequest("stream: a stored response is read as a whole.", param="stream")
    return _answer(request, runtime, await runtime.worker.submit(find_responses, key))


async def cancel_response(request: Request) -> Response:
    """POST /v1/responses/{id}/cancel, from any process. Idempotent; InvalidRequest for one that has ended."""
    runtime, key = await _read_key(request)
    return _answer(request, runtime, await runtime.cancellation.cancel_response(key))


async def delete_response(request: Request) -> Response:
    """DELETE /v1/responses/{id}. One that is running ends."""
    runtime, key = await _read_key(request)
    await runtime.worker.submit(delete_responses, key)
    runtime.responses.stop(key.id)
    return JSONResponse({"id": name_response(key.id), "object": "response", "deleted": True})


async def list_response_items(request: Request) -> Response:
    """GET /v1/responses/{id}/input_items: what the request said, without what went before."""
    runtime, key = await _read_key(request)
    row = await runtime.worker.submit(find_responses, key)
    return JSONResponse(read_page(row.input, key.id, request.query_params))


async def _read_key(request: Request) -> tuple[WebRuntime, ResponseKey]:
    """Raises NotFound for an id that no response can have."""
    runtime = await get_runtime()
    principal = await runtime.request_admission.authenticate(request, Scope.HISTORY)
    name = request.path_params["response_id"]
    if (response_id := read_response_id(name)) is None:
        raise no_response(name)
    return runtime, ResponseKey(principal.user_id, response_id)


def _answer(request: Request, runtime: WebRuntime, row: StoredResponse) -> Response:
    """The stored object. A response whose process died is told as failed, once it cannot be running."""
    content = msgspec.json.decode(row.answer)
    content["status"] = row.status
    longest = timedelta(seconds=runtime.config.generation_timeout_s + runtime.config.switch_stream_wait_s)
    if row.status == ResponseStatus.IN_PROGRESS and timezone.now() > row.created_at + longest:
        error = AnswerInterrupted()
        message, _param = describe_error(error, translator_for(request.headers.get("accept-language")))
        content |= {"status": ResponseStatus.FAILED, "error": {"code": error.code, "message": message}}
    return JSONResponse(content)

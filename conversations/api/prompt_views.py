"""The library of saved prompts."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.prompt_serializers import (
    PromptFieldsSerializer,
    PromptListSerializer,
    PromptQuerySerializer,
    PromptSerializer,
)
from conversations.saved_prompts import change_prompt, create_prompt, delete_prompt, list_prompts
from gateway.rest import caller_id, read


def _show(request: Request, prompts: Any, *, many: bool = False) -> Any:
    return PromptSerializer(prompts, many=many, context={"caller_id": caller_id(request)}).data


def _is_admin(request: Request) -> bool:
    """False for an API key of an administrator's: keys have no rights of that kind."""
    return bool(getattr(request.user, "is_admin", False))


class PromptsView(APIView):
    @extend_schema(
        operation_id="list_prompts",
        parameters=[PromptQuerySerializer],
        responses=PromptListSerializer,
        tags=["prompts"],
        summary="The caller's prompts and the shared ones, by title",
    )
    def get(self, request: Request) -> Response:
        query = read(PromptQuerySerializer(data=request.query_params.dict()))
        page, has_more = list_prompts(user_id=caller_id(request), **query)
        return Response(
            {
                "object": "list",
                "data": _show(request, page, many=True),
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": has_more,
            }
        )

    @extend_schema(
        operation_id="create_prompt",
        request=PromptFieldsSerializer,
        responses={201: PromptSerializer},
        tags=["prompts"],
        summary="Save a prompt",
    )
    def post(self, request: Request) -> Response:
        body = read(PromptFieldsSerializer(data=request.data))
        prompt = create_prompt(owner_id=caller_id(request), is_admin=_is_admin(request), **body)
        return Response(_show(request, prompt), status=201)


class PromptView(APIView):
    @extend_schema(
        operation_id="change_prompt",
        request=PromptFieldsSerializer,
        responses=PromptSerializer,
        tags=["prompts"],
        summary="Change a prompt of one's own",
    )
    def patch(self, request: Request, prompt_id: uuid.UUID) -> Response:
        prompt = change_prompt(
            owner_id=caller_id(request),
            is_admin=_is_admin(request),
            prompt_id=prompt_id,
            changes=read(PromptFieldsSerializer(data=request.data, partial=True)),
        )
        return Response(_show(request, prompt))

    @extend_schema(
        operation_id="delete_prompt",
        responses={204: None},
        tags=["prompts"],
        summary="Delete a prompt of one's own",
    )
    def delete(self, request: Request, prompt_id: uuid.UUID) -> Response:
        delete_prompt(owner_id=caller_id(request), prompt_id=prompt_id)
        return Response(status=204)

"""Shared links: made and revoked by their owner, read by whoever has one."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.share_serializers import (
    NewShareSerializer,
    SharedPageQuerySerializer,
    SharedPageSerializer,
    ShareListSerializer,
    ShareSerializer,
)
from conversations.models import SharedLink
from conversations.sharing import list_links, read_shared, revoke_link, share_conversation
from gateway.rest import caller_id, read

READERS_HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
"""Whoever has a link reads what it shows: no cache keeps it, no other page and no search engine learns it."""


def _list(links: list[SharedLink]) -> Response:
    return Response({"object": "list", "data": ShareSerializer(links, many=True).data})


class SharesOfConversationView(APIView):
    @extend_schema(
        operation_id="list_shares_of_conversation",
        responses=ShareListSerializer,
        tags=["shares"],
        summary="The links to a conversation, newest first",
    )
    def get(self, request: Request, conversation_id: uuid.UUID) -> Response:
        return _list(list_links(owner_id=caller_id(request), conversation_id=conversation_id))

    @extend_schema(
        operation_id="share_conversation",
        request=NewShareSerializer,
        responses={201: ShareSerializer},
        tags=["shares"],
        summary="A link by which anybody reads what was said up to here, where SHARED_LINKS is on",
    )
    def post(self, request: Request, conversation_id: uuid.UUID) -> Response:
        body = read(NewShareSerializer(data=request.data))
        link = share_conversation(owner_id=caller_id(request), conversation_id=conversation_id, **body)
        return Response(ShareSerializer(link).data, status=201)


class SharesView(APIView):
    @extend_schema(
        operation_id="list_shares",
        responses=ShareListSerializer,
        tags=["shares"],
        summary="All links of the caller's, newest first",
    )
    def get(self, request: Request) -> Response:
        return _list(list_links(owner_id=caller_id(request)))


class ShareView(APIView):
    @extend_schema(
        operation_id="revoke_share", responses={204: None}, tags=["shares"], summary="End a link at once"
    )
    def delete(self, request: Request, share_id: uuid.UUID) -> Response:
        revoke_link(owner_id=caller_id(request), share_id=share_id)
        return Response(status=204)


class SharedView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(
        operation_id="read_shared",
        parameters=[SharedPageQuerySerializer],
        responses=SharedPageSerializer,
        tags=["shares"],
        summary="What a link shows: the last messages, and pages of those before",
    )
    def get(self, request: Request, token: str) -> Response:
        query = read(SharedPageQuerySerializer(data=request.query_params.dict()))
        return Response(SharedPageSerializer(read_shared(token, **query)).data)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Errors have the headers too."""
        final = super().finalize_response(request, response, *args, **kwargs)
        for name, value in READERS_HEADERS.items():
            final.headers[name] = value
        return final

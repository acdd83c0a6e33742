"""List, create and read conversations."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.conversation_serializers import (
    ConversationDetailSerializer,
    ConversationListSerializer,
    ConversationQuerySerializer,
    ConversationSerializer,
    MessagePageSerializer,
    NewConversationSerializer,
)
from conversations.models import Conversation, Message
from conversations.selectors import get_conversation, list_conversations, load_page
from conversations.services import create_conversation
from gateway.rest import caller_id


class ConversationsView(APIView):
    @extend_schema(
        operation_id="list_conversations",
        parameters=[ConversationQuerySerializer],
        responses=ConversationListSerializer,
        tags=["conversations"],
        summary="The caller's conversations, newest first",
    )
    def get(self, request: Request) -> Response:
        query = ConversationQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page, has_more = list_conversations(user_id=caller_id(request), **query.validated_data)
        return Response(
            {
                "object": "list",
                "data": ConversationSerializer(page, many=True).data,
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": has_more,
            }
        )

    @extend_schema(
        operation_id="create_conversation",
        request=NewConversationSerializer,
        responses={201: ConversationDetailSerializer},
        tags=["conversations"],
        summary="Start an empty conversation",
    )
    def post(self, request: Request) -> Response:
        serializer = NewConversationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        conversation = create_conversation(owner_id=caller_id(request), **serializer.validated_data)
        return Response(_detail(conversation), status=201)


class ConversationView(APIView):
    @extend_schema(
        operation_id="get_conversation",
        parameters=[MessagePageSerializer],
        responses=ConversationDetailSerializer,
        tags=["conversations"],
        summary="A conversation with the last messages of its active branch, and pages of those before",
    )
    def get(self, request: Request, conversation_id: uuid.UUID) -> Response:
        query = MessagePageSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        conversation = get_conversation(user_id=caller_id(request), conversation_id=conversation_id)
        page, has_more = load_page(conversation, **query.validated_data)
        return Response(_detail(conversation, page, has_more=has_more))


def _detail(conversation: Conversation, page: Sequence[Message] = (), *, has_more: bool = False) -> object:
    context = {"page": page, "has_more": has_more}
    return ConversationDetailSerializer(conversation, context=context).data

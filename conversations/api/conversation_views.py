"""List, create, read, change and delete conversations."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.conversation_serializers import (
    BulkChangeSerializer,
    BulkResultSerializer,
    ChangedConversationSerializer,
    ConversationDetailSerializer,
    ConversationListSerializer,
    ConversationQuerySerializer,
    ConversationSerializer,
    DeletionSerializer,
    DuplicationSerializer,
    MessagePageSerializer,
    NewConversationSerializer,
)
from conversations.bulk_changes import BulkAction, change_many
from conversations.changes import (
    change_conversation,
    delete_conversation,
    delete_permanently,
    restore_conversation,
)
from conversations.copies import duplicate_conversation
from conversations.models import Conversation, Message
from conversations.selectors import get_conversation, list_conversations, load_page
from conversations.services import create_conversation
from gateway.rest import caller_id, read


class ConversationsView(APIView):
    @extend_schema(
        operation_id="list_conversations",
        parameters=[ConversationQuerySerializer],
        responses=ConversationListSerializer,
        tags=["conversations"],
        summary="The caller's conversations, newest first",
    )
    def get(self, request: Request) -> Response:
        query = read(ConversationQuerySerializer(data=request.query_params.dict()))
        page, has_more = list_conversations(user_id=caller_id(request), **query)
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
        body = read(NewConversationSerializer(data=request.data))
        body.setdefault("system_prompt", getattr(request.user, "default_system_prompt", ""))
        conversation = create_conversation(owner_id=caller_id(request), **body)
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
        query = read(MessagePageSerializer(data=request.query_params.dict()))
        conversation = get_conversation(user_id=caller_id(request), conversation_id=conversation_id)
        page, has_more = load_page(conversation, **query)
        return Response(_detail(conversation, page, has_more=has_more))

    @extend_schema(
        operation_id="change_conversation",
        request=ChangedConversationSerializer,
        responses=ConversationSerializer,
        tags=["conversations"],
        summary="Rename, pin, archive or move a conversation, or change its prompt or model",
    )
    def patch(self, request: Request, conversation_id: uuid.UUID) -> Response:
        changes = read(ChangedConversationSerializer(data=request.data))
        conversation = change_conversation(
            owner_id=caller_id(request),
            conversation_id=conversation_id,
            version=changes.pop("version", None),
            changes=changes,
        )
        return Response(ConversationSerializer(conversation).data)

    @extend_schema(
        operation_id="delete_conversation",
        parameters=[DeletionSerializer],
        responses={204: None},
        tags=["conversations"],
        summary="Move a conversation to the trash, or remove one that is there",
    )
    def delete(self, request: Request, conversation_id: uuid.UUID) -> Response:
        query = read(DeletionSerializer(data=request.query_params.dict()))
        delete = delete_permanently if query["permanently"] else delete_conversation
        delete(owner_id=caller_id(request), conversation_id=conversation_id)
        return Response(status=204)


class RestoredConversationView(APIView):
    @extend_schema(
        operation_id="restore_conversation",
        request=None,
        responses=ConversationSerializer,
        tags=["conversations"],
        summary="Take a conversation out of the trash",
    )
    def post(self, request: Request, conversation_id: uuid.UUID) -> Response:
        conversation = restore_conversation(owner_id=caller_id(request), conversation_id=conversation_id)
        return Response(ConversationSerializer(conversation).data)


class DuplicatesView(APIView):
    @extend_schema(
        operation_id="duplicate_conversation",
        request=DuplicationSerializer,
        responses={201: ConversationSerializer},
        tags=["conversations"],
        summary="A new conversation with a copy of a branch",
    )
    def post(self, request: Request, conversation_id: uuid.UUID) -> Response:
        body = read(DuplicationSerializer(data=request.data))
        copy = duplicate_conversation(owner_id=caller_id(request), conversation_id=conversation_id, **body)
        return Response(ConversationSerializer(copy).data, status=201)


class BulkView(APIView):
    @extend_schema(
        operation_id="change_conversations",
        request=BulkChangeSerializer,
        responses=BulkResultSerializer,
        tags=["conversations"],
        summary="Archive, move, delete or restore many conversations",
    )
    def post(self, request: Request) -> Response:
        body = read(BulkChangeSerializer(data=request.data))
        action = BulkAction(body.pop("action"))
        result = change_many(owner_id=caller_id(request), action=action, **body)
        return Response({"changed": result.changed, "not_found": result.not_found})


def _detail(conversation: Conversation, page: Sequence[Message] = (), *, has_more: bool = False) -> object:
    context = {"page": page, "has_more": has_more}
    return ConversationDetailSerializer(conversation, context=context).data

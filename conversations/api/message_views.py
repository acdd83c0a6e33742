"""Lists of messages, and what owners change about the tree."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.conversation_serializers import ConversationDetailSerializer
from conversations.api.message_serializers import (
    EditSerializer,
    MessageListSerializer,
    MessageQuerySerializer,
    MessageSerializer,
    VersionSerializer,
    serialise_messages,
)
from conversations.selectors import MAX_PAGE, get_conversation, list_messages, load_page
from conversations.tree_changes import activate_branch, delete_branch, edit_message
from gateway.rest import caller_id, read


class MessagesView(APIView):
    @extend_schema(
        operation_id="list_messages",
        parameters=[MessageQuerySerializer],
        responses=MessageListSerializer,
        tags=["conversations"],
        summary="Messages of a conversation, the newest page first, each page oldest first",
        description="`branch=all` answers every message of the tree; `parent_id` says what each follows.",
    )
    def get(self, request: Request, conversation_id: uuid.UUID) -> Response:
        values = read(MessageQuerySerializer(data=request.query_params.dict()))
        load = list_messages if values.pop("branch") == "all" else load_page
        conversation = get_conversation(user_id=caller_id(request), conversation_id=conversation_id)
        page, has_more = load(conversation, **values)
        return Response(
            {
                "object": "list",
                "data": serialise_messages(page),
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": has_more,
            }
        )


class MessageView(APIView):
    @extend_schema(
        operation_id="edit_message",
        request=EditSerializer,
        responses={201: MessageSerializer},
        tags=["conversations"],
        summary="Say it otherwise: a sibling of the message, which becomes the end of the active branch",
        description="Of a message by a user or a model; the message itself never changes. An edited question "
        "keeps its images and files and waits to be answered by `…/regenerate`; an edited answer has no "
        "`model`.",
    )
    def patch(self, request: Request, conversation_id: uuid.UUID, message_id: uuid.UUID) -> Response:
        body = read(EditSerializer(data=request.data))
        edited = edit_message(
            user_id=caller_id(request),
            conversation_id=conversation_id,
            message_id=message_id,
            **body,
        )
        return Response(serialise_messages([edited])[0], status=201)

    @extend_schema(
        operation_id="delete_message",
        request=None,
        responses={204: OpenApiResponse(description="It is gone, with everything that followed it.")},
        tags=["conversations"],
        summary="Delete a message and all that follows it",
        description="The active branch then ends in the newest leaf beside it, or in what it followed.",
    )
    def delete(self, request: Request, conversation_id: uuid.UUID, message_id: uuid.UUID) -> Response:
        delete_branch(user_id=caller_id(request), conversation_id=conversation_id, message_id=message_id)
        return Response(status=204)


class ActiveBranchView(APIView):
    @extend_schema(
        operation_id="activate_branch",
        request=VersionSerializer,
        responses=ConversationDetailSerializer,
        tags=["conversations"],
        summary="Go on from here: the active branch becomes the one through this message, to its newest end",
    )
    def post(self, request: Request, conversation_id: uuid.UUID, message_id: uuid.UUID) -> Response:
        body = read(VersionSerializer(data=request.data))
        conversation = activate_branch(
            user_id=caller_id(request),
            conversation_id=conversation_id,
            message_id=message_id,
            **body,
        )
        page, has_more = load_page(conversation, limit=MAX_PAGE)
        context = {"page": page, "has_more": has_more}
        return Response(ConversationDetailSerializer(conversation, context=context).data)

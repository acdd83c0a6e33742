"""Export conversations."""

from __future__ import annotations

import uuid

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from conversations.api.export_serializers import ExportQuerySerializer, ManyExportQuerySerializer
from conversations.portability.exporting import MEDIA_TYPES, ExportFormat, export
from conversations.portability.selection import Selection
from conversations.selectors import get_conversation
from gateway.downloads import answer_download, make_name
from gateway.rest import caller_id, read

RESPONSES = {
    (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, description="As `format` asks for."),
    (200, "application/jsonl"): OpenApiTypes.STR,
    (200, "text/markdown"): OpenApiTypes.STR,
    (200, "application/zip"): OpenApiTypes.BINARY,
}


class ConversationExportView(APIView):
    @extend_schema(
        operation_id="export_conversation",
        parameters=[ExportQuerySerializer],
        responses=RESPONSES,
        tags=["conversations"],
        summary="One conversation as a file: every branch, or the active one as Markdown",
    )
    def get(self, request: Request, conversation_id: uuid.UUID) -> StreamingHttpResponse:
        query = read(ExportQuerySerializer(data=request.query_params.dict()))
        owner_id = caller_id(request)
        conversation = get_conversation(user_id=owner_id, conversation_id=conversation_id)
        selection = Selection(owner_id=owner_id, ids=(conversation_id,))
        return _answer(selection, ExportFormat(query["format"]), name=conversation.title)


class ExportView(APIView):
    @extend_schema(
        operation_id="export_conversations",
        parameters=[ManyExportQuerySerializer],
        responses=RESPONSES,
        tags=["conversations"],
        summary="Many conversations, or all, as one file",
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        query = read(ManyExportQuerySerializer(data=request.query_params.dict()))
        selection = Selection(owner_id=caller_id(request), ids=query.get("ids"))
        selection.check()
        return _answer(selection, ExportFormat(query["format"]), name="conversations")


def _answer(selection: Selection, export_format: ExportFormat, *, name: str) -> StreamingHttpResponse:
    return answer_download(
        export(selection, export_format), MEDIA_TYPES[export_format], make_name(name, export_format)
    )

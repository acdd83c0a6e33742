"""Export conversations."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from conversations.api.export_serializers import ExportQuerySerializer, ManyExportQuerySerializer
from conversations.portability.exporting import MEDIA_TYPES, ExportFormat, export
from conversations.portability.selection import Selection
from conversations.selectors import get_conversation
from gateway.rest import caller_id, read

MAX_NAME = 80
_NOT_IN_NAMES = re.compile(r"[^\w\-]+")

RESPONSES = {
    (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT, description="As `format` asks for."),
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
    stem = _NOT_IN_NAMES.sub(" ", name).strip()[:MAX_NAME] or "conversation"
    filename = f"{stem} {timezone.now():%Y-%m-%d}.{export_format.value}"
    return StreamingHttpResponse(
        stream_pieces(export(selection, export_format)),
        content_type=MEDIA_TYPES[export_format],
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=filename)
            or "attachment",
            "X-Accel-Buffering": "no",
        },
    )


async def stream_pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, each made on the request's own thread once the one before is sent.

    The thread gives its connection to the database back between pieces: a slow reader holds none.
    """
    while piece := await sync_to_async(_next_piece)(pieces):
        yield piece


def _next_piece(pieces: Iterator[bytes]) -> bytes:
    try:
        return next(pieces, b"")
    finally:
        if not connection.in_atomic_block:
            close_old_connections()

"""Import conversations."""

from __future__ import annotations

import tempfile
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.export_serializers import ImportQuerySerializer, ImportReportSerializer
from conversations.portability.importing import import_file
from conversations.portability.readers import ImportSource
from gateway.errors import InvalidRequest
from gateway.rest import caller_id, read

PIECE_BYTES = 256 * 1024


class UnreadBodyParser(BaseParser):
    """Leaves the body of any type where it is: Django has it on disk, and parsers read into memory."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return {}


class ImportView(APIView):
    parser_classes = [UnreadBodyParser]

    @extend_schema(
        operation_id="import_conversations",
        parameters=[ImportQuerySerializer],
        request={"application/json": OpenApiTypes.BINARY, "application/zip": OpenApiTypes.BINARY},
        responses=ImportReportSerializer,
        tags=["conversations"],
        summary="Take the conversations of an export: of this product, ChatGPT, Open WebUI or LibreChat",
    )
    def post(self, request: Request) -> Response:
        query = read(ImportQuerySerializer(data=request.query_params.dict()))
        source = ImportSource(query["format"]) if "format" in query else None
        with tempfile.TemporaryFile() as file:
            while piece := request._request.read(PIECE_BYTES):
                file.write(piece)
            if not file.tell():
                raise InvalidRequest("The body is empty.")
            report = import_file(caller_id(request), file, source=source, is_dry_run=query["dry_run"])
        return Response(report.describe())

"""Import conversations."""

from __future__ import annotations

import tempfile
from typing import IO, Any

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


class FileParser(BaseParser):
    """The body as a file on disk, whatever it says that it is: the importer looks for itself."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the view closes it
        while piece := stream.read(PIECE_BYTES):
            file.write(piece)
        file.seek(0)
        return {"file": file}


class ImportView(APIView):
    parser_classes = [FileParser]

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
        body: Any = request.data
        if "file" not in body:
            raise InvalidRequest("The body is empty.")
        with body["file"] as file:
            report = import_file(caller_id(request), file, source=source, is_dry_run=query["dry_run"])
        return Response(report.describe())

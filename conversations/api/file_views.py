"""Upload, list, read and delete files."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import IO

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.file_serializers import (
    FileListSerializer,
    FileQuerySerializer,
    FileSerializer,
    NewFileSerializer,
)
from conversations.files.images import SHOWN_TYPES
from conversations.files.selectors import NO_SUCH_FILE, get_file, list_files
from conversations.files.storing import delete_file, store_upload
from conversations.models import StoredFile
from gateway.errors import InvalidRequest, NotFound, RequestTooLarge
from gateway.rest import caller_id, read

PIECE_BYTES = 256 * 1024

CONTENT_HEADERS = {
    # The browser asks each time, so that nobody reads what the one before them at the machine has read. A
    # content never changes, so the answer is mostly 304.
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class FilesView(APIView):
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="list_files",
        parameters=[FileQuerySerializer],
        responses=FileListSerializer,
        tags=["files"],
        summary="The caller's files, newest first",
    )
    def get(self, request: Request) -> Response:
        query = read(FileQuerySerializer(data=request.query_params.dict()))
        page, has_more = list_files(owner_id=caller_id(request), **query)
        return Response(
            {
                "object": "list",
                "data": FileSerializer(page, many=True).data,
                "first_id": page[0].pk if page else None,
                "last_id": page[-1].pk if page else None,
                "has_more": has_more,
            }
        )

    @extend_schema(
        operation_id="upload_file",
        request={"multipart/form-data": NewFileSerializer},
        responses={
            201: FileSerializer,
            200: OpenApiResponse(FileSerializer, description="The account has this content already."),
        },
        tags=["files"],
        summary="Upload an image or a document, to attach it to messages",
    )
    def post(self, request: Request) -> Response:
        uploaded = read(NewFileSerializer(data=request.data))["file"]
        try:
            stored, is_new = store_upload(caller_id(request), uploaded, name=uploaded.name)
        except (InvalidRequest, RequestTooLarge) as exc:
            exc.param = "file"
            raise
        return Response(FileSerializer(stored).data, status=201 if is_new else 200)


class FileView(APIView):
    @extend_schema(operation_id="get_file", responses=FileSerializer, tags=["files"], summary="About a file")
    def get(self, request: Request, file_id: uuid.UUID) -> Response:
        return Response(FileSerializer(get_file(caller_id(request), file_id)).data)

    @extend_schema(
        operation_id="delete_file",
        responses={204: None},
        tags=["files"],
        summary="Delete a file that no message refers to",
    )
    def delete(self, request: Request, file_id: uuid.UUID) -> Response:
        delete_file(caller_id(request), file_id)
        return Response(status=204)


class FileContentView(APIView):
    @extend_schema(
        operation_id="get_file_content",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
        tags=["files"],
        summary="The bytes of a file",
    )
    def get(self, request: Request, file_id: uuid.UUID) -> HttpResponseBase:
        stored = get_file(caller_id(request), file_id)
        etag = quote_etag(stored.sha256)
        if (known := get_conditional_response(request._request, etag=etag)) is not None:
            for name, value in {**CONTENT_HEADERS, "ETag": etag}.items():
                known.headers[name] = value
            return known
        return StreamingHttpResponse(
            read_pieces(open_content(stored)),
            content_type=stored.media_type
            + ("; charset=utf-8" if stored.media_type.startswith("text/") else ""),
            headers={
                **CONTENT_HEADERS,
                "ETag": etag,
                "Content-Length": str(stored.size_bytes),
                "Content-Disposition": content_disposition_header(
                    as_attachment=stored.media_type not in SHOWN_TYPES, filename=stored.name or str(stored.pk)
                )
                or "attachment",
            },
        )


def open_content(stored: StoredFile) -> IO[bytes]:
    """Raises NotFound where the storage has lost it."""
    try:
        return default_storage.open(stored.storage_name)
    except FileNotFoundError as exc:
        raise NotFound(NO_SUCH_FILE) from exc


async def read_pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The file in pieces, read on other threads: a slow reader holds one piece, and no thread."""
    read = sync_to_async(file.read, thread_sensitive=False)
    try:
        while piece := await read(PIECE_BYTES):
            yield piece
    finally:
        await sync_to_async(file.close, thread_sensitive=False)()

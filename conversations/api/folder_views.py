"""The caller's folders of conversations."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.folder_serializers import (
    FolderFieldsSerializer,
    FolderListSerializer,
    FolderSerializer,
)
from conversations.folders import create_folder, delete_folder, list_folders, rename_folder
from gateway.rest import caller_id, read


class FoldersView(APIView):
    @extend_schema(
        operation_id="list_folders",
        responses=FolderListSerializer,
        tags=["folders"],
        summary="The caller's folders by name; what is in one, the list of conversations says",
    )
    def get(self, request: Request) -> Response:
        folders = list_folders(owner_id=caller_id(request))
        return Response({"object": "list", "data": FolderSerializer(folders, many=True).data})

    @extend_schema(
        operation_id="create_folder",
        request=FolderFieldsSerializer,
        responses={201: FolderSerializer},
        tags=["folders"],
        summary="Make a folder",
    )
    def post(self, request: Request) -> Response:
        body = read(FolderFieldsSerializer(data=request.data))
        folder = create_folder(owner_id=caller_id(request), **body)
        return Response(FolderSerializer(folder).data, status=201)


class FolderView(APIView):
    @extend_schema(
        operation_id="rename_folder",
        request=FolderFieldsSerializer,
        responses=FolderSerializer,
        tags=["folders"],
        summary="Rename a folder",
    )
    def patch(self, request: Request, folder_id: uuid.UUID) -> Response:
        body = read(FolderFieldsSerializer(data=request.data))
        folder = rename_folder(owner_id=caller_id(request), folder_id=folder_id, **body)
        return Response(FolderSerializer(folder).data)

    @extend_schema(
        operation_id="delete_folder",
        responses={204: None},
        tags=["folders"],
        summary="Delete a folder; its conversations stay, in none",
    )
    def delete(self, request: Request, folder_id: uuid.UUID) -> Response:
        delete_folder(owner_id=caller_id(request), folder_id=folder_id)
        return Response(status=204)

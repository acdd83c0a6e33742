"""The caller's API keys. `accounts.scopes` keeps API keys themselves out."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_keys import (
    IssuedKey,
    change_api_key,
    issue_api_key,
    list_api_keys,
    revoke_own_key,
    rotate_api_key,
)
from accounts.key_serializers import (
    ApiKeyFieldsSerializer,
    ApiKeyListSerializer,
    ApiKeySerializer,
    IssuedKeySerializer,
    RotationSerializer,
)
from accounts.rest_caller import caller_of, rest_origin
from gateway.rest import read


def _issued(issued: IssuedKey) -> Response:
    content = {**ApiKeySerializer(issued.row).data, "key": issued.key}
    return Response(content, status=201, headers={"Cache-Control": "no-store"})


class KeysView(APIView):
    @extend_schema(
        operation_id="list_api_keys",
        responses=ApiKeyListSerializer,
        tags=["keys"],
        summary="The caller's API keys, newest first",
    )
    def get(self, request: Request) -> Response:
        rows = list_api_keys(caller_of(request))
        return Response({"object": "list", "data": ApiKeySerializer(rows, many=True).data})

    @extend_schema(
        operation_id="issue_api_key",
        request=ApiKeyFieldsSerializer,
        responses={201: IssuedKeySerializer},
        tags=["keys"],
        summary="Issue an API key; it is shown this once",
    )
    def post(self, request: Request) -> Response:
        body = read(ApiKeyFieldsSerializer(data=request.data))
        return _issued(issue_api_key(user=caller_of(request), origin=rest_origin(request), **body))


class KeyView(APIView):
    @extend_schema(
        operation_id="change_api_key",
        request=ApiKeyFieldsSerializer,
        responses=ApiKeySerializer,
        tags=["keys"],
        summary="Rename a key, or change its scopes, models or expiry",
    )
    def patch(self, request: Request, key_id: uuid.UUID) -> Response:
        changes = read(ApiKeyFieldsSerializer(data=request.data, partial=True))
        if "models" in changes:
            changes["allowed_models"] = changes.pop("models")
        row = change_api_key(
            user=caller_of(request), key_id=key_id, changes=changes, origin=rest_origin(request)
        )
        return Response(ApiKeySerializer(row).data)

    @extend_schema(
        operation_id="revoke_api_key", responses={204: None}, tags=["keys"], summary="End a key at once"
    )
    def delete(self, request: Request, key_id: uuid.UUID) -> Response:
        revoke_own_key(user=caller_of(request), key_id=key_id, origin=rest_origin(request))
        return Response(status=204)


class RotateKeyView(APIView):
    @extend_schema(
        operation_id="rotate_api_key",
        request=RotationSerializer,
        responses={201: IssuedKeySerializer},
        tags=["keys"],
        summary="A new key like this one, which goes on working for a while",
    )
    def post(self, request: Request, key_id: uuid.UUID) -> Response:
        body = read(RotationSerializer(data=request.data))
        return _issued(
            rotate_api_key(user=caller_of(request), key_id=key_id, origin=rest_origin(request), **body)
        )

"""Groups and their limits, for administrators. `accounts.scopes` keeps API keys out."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.group_serializers import (
    GroupFieldsSerializer,
    GroupLimitSerializer,
    GroupListSerializer,
    GroupSerializer,
)
from accounts.groups import add_member, delete_group, list_groups, remove_member, save_group
from accounts.limits.rows import delete_limit, set_group_limit
from accounts.models import AccountGroup, Limit, LimitKind, User
from accounts.rest_caller import rest_origin
from gateway.errors import InvalidRequest, NotFound
from gateway.rest import read


class GroupsView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="list_groups",
        responses=GroupListSerializer,
        tags=["groups"],
        summary="Groups of accounts, with members and limits",
    )
    def get(self, request: Request) -> Response:
        return Response({"object": "list", "data": GroupSerializer(list_groups(), many=True).data})

    @extend_schema(
        operation_id="create_group",
        request=GroupFieldsSerializer,
        responses={201: GroupSerializer},
        tags=["groups"],
        summary="Create a group",
    )
    def post(self, request: Request) -> Response:
        fields = read(GroupFieldsSerializer(data=request.data))
        return _describe(_save(AccountGroup(**fields), request), status=201)


class GroupView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="get_group", responses=GroupSerializer, tags=["groups"], summary="One group of accounts"
    )
    def get(self, request: Request, group_id: uuid.UUID) -> Response:
        return _describe(_find_group(group_id))

    @extend_schema(
        operation_id="change_group",
        request=GroupFieldsSerializer,
        responses=GroupSerializer,
        tags=["groups"],
        summary="Rename a group, or change the value of the claim",
    )
    def patch(self, request: Request, group_id: uuid.UUID) -> Response:
        group = _find_group(group_id)
        for name, value in read(GroupFieldsSerializer(data=request.data, partial=True)).items():
            setattr(group, name, value)
        return _describe(_save(group, request))

    @extend_schema(
        operation_id="delete_group",
        responses={204: None},
        tags=["groups"],
        summary="Delete a group and its limits",
    )
    def delete(self, request: Request, group_id: uuid.UUID) -> Response:
        delete_group(group=_find_group(group_id), origin=rest_origin(request))
        return Response(status=204)


class GroupMemberView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="add_group_member",
        request=None,
        responses=GroupSerializer,
        tags=["groups"],
        summary="Put an account into a group; idempotent",
    )
    def put(self, request: Request, group_id: uuid.UUID, user_id: uuid.UUID) -> Response:
        group = _find_group(group_id)
        add_member(group=group, user=_find_user(user_id), origin=rest_origin(request))
        return _describe(group)

    @extend_schema(
        operation_id="remove_group_member",
        responses={204: None},
        tags=["groups"],
        summary="Take an account out of a group",
    )
    def delete(self, request: Request, group_id: uuid.UUID, user_id: uuid.UUID) -> Response:
        group, user = _find_group(group_id), _find_user(user_id)
        if not remove_member(group=group, user=user, origin=rest_origin(request)):
            raise NotFound
        return Response(status=204)


class GroupLimitView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="set_group_limit",
        request=GroupLimitSerializer,
        responses=GroupSerializer,
        tags=["groups"],
        summary="Set a limit of each member",
    )
    def put(self, request: Request, group_id: uuid.UUID, limit_kind: str) -> Response:
        group, kind = _find_group(group_id), _read_kind(limit_kind)
        number = read(GroupLimitSerializer(data=request.data))
        try:
            set_group_limit(
                group=group,
                kind=kind,
                value=number["limit"],
                window_s=number["window_s"],
                origin=rest_origin(request),
            )
        except ValidationError as exc:
            raise InvalidRequest(" ".join(exc.messages), param="window_s") from exc
        return _describe(group)

    @extend_schema(
        operation_id="remove_group_limit",
        responses={204: None},
        tags=["groups"],
        summary="Remove a limit of a group: what is less specific counts again",
    )
    def delete(self, request: Request, group_id: uuid.UUID, limit_kind: str) -> Response:
        limit = Limit.objects.filter(group=_find_group(group_id), kind=_read_kind(limit_kind)).first()
        if limit is None:
            raise NotFound
        delete_limit(limit=limit, origin=rest_origin(request))
        return Response(status=204)


def _save(group: AccountGroup, request: Request) -> AccountGroup:
    try:
        return save_group(group=group, origin=rest_origin(request))
    except ValidationError as exc:
        raise InvalidRequest(" ".join(exc.messages), param="name") from exc


def _describe(group: AccountGroup, *, status: int = 200) -> Response:
    return Response(GroupSerializer(list_groups().get(pk=group.pk)).data, status=status)


def _find_group(group_id: uuid.UUID) -> AccountGroup:
    group = AccountGroup.objects.filter(pk=group_id).first()
    if group is None:
        raise NotFound
    return group


def _find_user(user_id: uuid.UUID) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound
    return user


def _read_kind(name: str) -> LimitKind:
    if name not in LimitKind.values:
        raise NotFound
    return LimitKind(name)

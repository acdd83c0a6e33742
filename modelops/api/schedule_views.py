"""REST views of the schedule: everybody reads it, admins write it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.rest import read
from modelops.api.schedule_serializers import (
    ScheduleSerializer,
    WindowChangeSerializer,
    WindowFieldsSerializer,
    WindowSerializer,
)
from modelops.models import ScheduleWindow, Slot
from modelops.switching.scheduling import get_window, list_coming, list_windows, remove_window, save_window
from modelops.switching.slots import get_slot


class AdminsWrite(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        is_reading = request.method in SAFE_METHODS
        return bool(request.user and request.user.is_authenticated and (is_reading or request.user.is_staff))


class ScheduleView(APIView):
    permission_classes = [AdminsWrite]

    @extend_schema(
        operation_id="get_schedule",
        responses=ScheduleSerializer,
        tags=["models"],
        summary="Windows of the week, and what they will switch",
    )
    def get(self, request: Request) -> Response:
        windows = list_windows()
        coming = _list_coming({each.slot.pk: each.slot for each in windows}.values())
        content = {"windows": WindowSerializer(windows, many=True).data, "coming": coming}
        return Response(content)

    @extend_schema(
        operation_id="add_schedule_window",
        request=WindowFieldsSerializer,
        responses={201: WindowSerializer},
        tags=["models"],
        summary="Add a window, in which a slot serves another profile",
        description="One that overlaps another window of its slot is refused, with its name. One that "
        "goes on already begins at once.",
    )
    def post(self, request: Request) -> Response:
        values = read(WindowFieldsSerializer(data=request.data))
        window = ScheduleWindow(**(values | {"slot": get_slot(values["slot"])}))
        return Response(WindowSerializer(save_window(window, request=request)).data, status=201)


class ScheduleWindowView(APIView):
    permission_classes = [AdminsWrite]

    @extend_schema(
        operation_id="change_schedule_window",
        request=WindowChangeSerializer,
        responses=WindowSerializer,
        tags=["models"],
        summary="Change a window",
    )
    def patch(self, request: Request, window_id: uuid.UUID) -> Response:
        window = get_window(window_id)
        changes: dict[str, object] = {}
        for name, value in read(WindowChangeSerializer(data=request.data, partial=True)).items():
            changes[name] = [str(getattr(window, name)), str(value)]
            setattr(window, name, value)
        return Response(WindowSerializer(save_window(window, request=request, changes=changes)).data)

    @extend_schema(
        operation_id="remove_schedule_window",
        responses={204: None},
        tags=["models"],
        summary="Remove a window",
        description="Where it goes on, its slot goes back to its usual profile.",
    )
    def delete(self, request: Request, window_id: uuid.UUID) -> Response:
        remove_window(get_window(window_id), request=request)
        return Response(status=204)


def _list_coming(slots: Iterable[Slot]) -> list[dict[str, Any]]:
    now = timezone.now()
    return [
        {
            "slot": slot.slug,
            "at": each.at.isoformat().replace("+00:00", "Z"),
            "profile": each.profile or None,
            "window": each.window or None,
        }
        for slot in slots
        for each in list_coming(slot, now)
    ]

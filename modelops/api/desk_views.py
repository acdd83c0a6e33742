"""REST views of the operators' desk: what its pages are fed with, for whoever asks now and then."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.rest import StrictSerializer, read
from modelops.api.profile_serializers import EmptyQuerySerializer
from modelops.desk.history import list_load_points
from modelops.desk.reading import get_desk_reader
from modelops.desk.snapshot import write_message
from modelops.models import DEFAULT_SLOT


class DeskHistoryQuerySerializer(StrictSerializer):
    slot = serializers.SlugField(default=DEFAULT_SLOT, max_length=40)


class DeskView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="get_desk",
        responses=OpenApiTypes.OBJECT,
        tags=["models"],
        summary="What the operators' desk shows, for administrators",
        description="The message that `/ws/modelops/` and `/api/models/desk/events` begin with: `parts` by "
        "name. The later ones there have only the parts that changed.",
    )
    def get(self, request: Request) -> HttpResponse:
        read(EmptyQuerySerializer(data=request.query_params.dict()))
        parts = get_desk_reader().read().select(get_language() or "en")
        content = write_message(parts, {}) or b"{}"
        return HttpResponse(content, "application/json", headers={"Cache-Control": "no-store"})


class DeskHistoryView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="get_desk_history",
        parameters=[DeskHistoryQuerySerializer],
        responses=OpenApiTypes.OBJECT,
        tags=["models"],
        summary="How busy a slot's engine was in the last hour, for administrators",
    )
    def get(self, request: Request) -> Response:
        query = read(DeskHistoryQuerySerializer(data=request.query_params.dict()))
        return Response({"slot": query["slot"], "points": list_load_points(query["slot"], timezone.now())})

"""The gateway's URLs, and views that fail in every way."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_GET
from rest_framework import exceptions as rest
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway import errors
from gateway.rest import StrictSerializer
from gateway.urls import handler400, handler403, handler404, handler500
from gateway.urls import urlpatterns as real_urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

FAILURES: dict[str, Exception] = {
    "gateway": errors.ConversationBusy(),
    "http404": Http404("no such thing"),
    "denied": PermissionDenied("secret reason"),
    "suspicious": SuspiciousOperation("secret reason"),
    "too-big": RequestDataTooBig("too big"),
    "database": OperationalError("password=canary"),
    "interface": InterfaceError("password=canary"),
    "unexpected": RuntimeError("password=canary"),
    "drf-404": rest.NotFound(),
    "drf-403": rest.PermissionDenied(),
    "drf-validation": rest.ValidationError({"title": ["Too long."]}),
}


class ItemSerializer(StrictSerializer):
    name = serializers.CharField(max_length=5)


class EchoSerializer(StrictSerializer):
    text = serializers.CharField(max_length=100, required=False)
    items = ItemSerializer(many=True, required=False)
    tags = serializers.ListField(child=serializers.IntegerField(), required=False)


class EchoView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    def post(self, request: Request) -> Response:
        serializer = EchoSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(request.data)


class FailingView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    def get(self, request: Request, name: str) -> Response:
        raise FAILURES[name]


def fail(request: HttpRequest, name: str) -> HttpResponse:
    raise FAILURES[name]


@require_GET
def get_only(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    *real_urlpatterns,
    path("api/test/echo", EchoView.as_view()),
    path("api/test/plain/<name>", fail),
    path("plain/<name>", fail),
    path("api/test/rest/<name>", FailingView.as_view()),
    path("api/test/get-only", get_only),
]

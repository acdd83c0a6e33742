"""Leave, and take everything along."""

from __future__ import annotations

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.leaving import copy_account
from accounts.rest_caller import caller_of
from gateway.downloads import answer_download, make_name


class AccountCopyView(APIView):
    @extend_schema(
        operation_id="copy_account",
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
        tags=["auth"],
        summary="All that the gateway has of the caller, as one archive; its conversations can be imported",
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        user = caller_of(request)
        return answer_download(copy_account(user), "application/zip", make_name(user.username, "zip"))

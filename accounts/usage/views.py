"""GET /api/usage: the caller's own usage, and for administrators anybody's."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.rest_caller import caller_of, principal_of
from accounts.usage.report import UsageQuery, list_columns, load_page, load_totals
from accounts.usage.serializers import MAX_PAGE, UsageQuerySerializer, UsageReportSerializer
from gateway.conf import get_config
from gateway.csv_lines import write_csv
from gateway.errors import NotFound, PermissionDenied
from gateway.ids import parse_id
from gateway.rest import FormatlessNegotiation, read


class UsageView(APIView):
    content_negotiation_class = FormatlessNegotiation

    @extend_schema(
        operation_id="report_usage",
        parameters=[UsageQuerySerializer],
        responses={(200, "application/json"): UsageReportSerializer, (200, "text/csv"): OpenApiTypes.STR},
        tags=["usage"],
        summary="What was used, by day, model, API key, user or endpoint",
    )
    def get(self, request: Request) -> HttpResponseBase:
        wanted = read(UsageQuerySerializer(data=request.query_params.dict()))
        query = UsageQuery(
            first_day=wanted["from"],
            last_day=wanted["to"],
            group_by=wanted["group_by"],
            user_id=_whose(request, wanted),
            model=wanted.get("model"),
            key_id=wanted.get("key"),
        )
        if wanted["format"] == "csv":
            return download(query)
        page = load_page(query, limit=wanted["limit"], after=wanted.get("after"))
        return Response(
            {
                "object": "list",
                "from": query.first_day,
                "to": query.last_day,
                "group_by": query.group_by,
                "currency": get_config().cost_currency,
                "data": page.rows,
                "totals": load_totals(query),
                "next": page.next,
                "has_more": page.next is not None,
            }
        )


def _whose(request: Request, wanted: dict[str, Any]) -> uuid.UUID | None:
    """The account that is asked about; None for everybody. Raises PermissionDenied or NotFound."""
    caller, principal = caller_of(request), principal_of(request)
    if wanted["scope"] == "own" and "user" not in wanted:
        return caller.pk
    if principal is None or not principal.is_admin:
        raise PermissionDenied("Only administrators, logged in, see what others used.")
    if "user" not in wanted:
        return None
    user_id = parse_id(wanted["user"])
    user = User.objects.filter(pk=user_id).first() if user_id else None
    user = user or User.objects.find_by_login(wanted["user"])
    if user is None:
        raise NotFound("There is no such user.", param="user")
    return user.pk


def download(query: UsageQuery) -> StreamingHttpResponse:
    """All rows of the report as a file, read and sent a page at a time."""
    name = f"usage-{query.first_day}-{query.last_day}.csv"
    return StreamingHttpResponse(
        _write_pages(query),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


async def _write_pages(query: UsageQuery) -> AsyncIterator[str]:
    yield write_csv([list_columns(query.group_by)])
    load, after = sync_to_async(load_page), None
    while True:
        page = await load(query, limit=MAX_PAGE, after=after)
        yield write_csv(list(row.values()) for row in page.rows)
        if (after := page.next) is None:
            return

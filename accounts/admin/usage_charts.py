"""Charts of usage in the admin: by day, as a whole and by account or model, with every number as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, get_args
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.admin.limit_words import say_count
from accounts.models import User
from accounts.usage.charts import ChartLine, Kind, UsageChart, load_chart
from accounts.usage.report import Row, UsageQuery
from gateway.conf import get_config
from gateway.ids import parse_id

RANGES = (7, 30, 90)
USUAL_RANGE = 30


def show_charts(site: AdminSite, request: HttpRequest) -> TemplateResponse:
    """What `days`, `by`, `user` and `model` of the address ask for; what it does not know it leaves out."""
    days, by, user = _read_range(request), _read_kind(request), _read_user(request)
    model = request.GET.get("model", "").replace("\0", "")
    last = timezone.now().date()
    query = UsageQuery(
        first_day=last - timedelta(days=days - 1),
        last_day=last,
        user_id=user.pk if user else None,
        model=model or None,
    )
    chart = load_chart(query, by)
    chosen = {"days": str(days), "by": by or "", "user": str(user.pk) if user else "", "model": model}
    context = {
        **site.each_context(request),
        "title": gettext("Usage by day"),
        "ranges": [(number, _link(chosen, days=str(number)), number == days) for number in RANGES],
        "kinds": _list_kinds(chosen, by),
        "account": user,
        "model": model,
        "everybody": _link(chosen, user="", model=""),
        "figures": _list_figures(chart.totals),
        "heads": [_name_line(line, by) for line in chart.lines],
        "rows": _list_rows(chart),
        "listed": [_list_sums(key, name, sums, by, chosen) for key, name, sums in chart.listed],
        "by": by,
        "csv": _csv_link(query, by),
        "chart_data": _describe_chart(chart, by),
    }
    return TemplateResponse(request, "admin/accounts/usage_charts.html", context)


def _read_range(request: HttpRequest) -> int:
    wanted = request.GET.get("days", "")
    return int(wanted) if wanted in {str(number) for number in RANGES} else USUAL_RANGE


def _read_kind(request: HttpRequest) -> Kind | None:
    wanted = request.GET.get("by")
    return next((kind for kind in get_args(Kind) if kind == wanted), None)


def _read_user(request: HttpRequest) -> User | None:
    user_id = parse_id(request.GET.get("user", ""))
    return User.objects.filter(pk=user_id).first() if user_id else None


def _link(chosen: dict[str, str], **changes: str) -> str:
    return "?" + urlencode({name: value for name, value in (chosen | changes).items() if value})


def _list_kinds(chosen: dict[str, str], by: Kind | None) -> list[tuple[str, str, bool]]:
    names: list[tuple[str, Kind | None]] = [
        (gettext("As a whole"), None),
        (gettext("By account"), "user"),
        (gettext("By model"), "model"),
    ]
    return [(name, _link(chosen, by=kind or ""), kind == by) for name, kind in names]


def _list_figures(totals: Row) -> list[tuple[str, str]]:
    figures = [
        (gettext("Requests"), say_count(totals["requests"])),
        (gettext("of them failed"), say_count(totals["failed"])),
        (gettext("Tokens read"), say_count(totals["prompt_tokens"])),
        (gettext("Tokens written"), say_count(totals["completion_tokens"])),
    ]
    if totals["cost"]:
        figures.append((gettext("Cost"), f"{totals['cost']:.2f} {get_config().cost_currency}"))
    return figures


def _name_line(line: ChartLine, by: Kind | None) -> str:
    if line.key is None:
        return gettext("All others")
    return line.name or (gettext("None was reached") if by == "model" else str(line.key))


def _list_rows(chart: UsageChart) -> list[tuple[str, str, str, list[str]]]:
    """The newest day first: requests and tokens of everything, then the tokens of each line."""
    rows = []
    for number in reversed(range(len(chart.days))):
        whole = chart.everything.days[number]
        tokens = [say_count(line.days[number].tokens) for line in chart.lines]
        day = chart.days[number].isoformat()
        rows.append((day, say_count(whole.requests), say_count(whole.tokens), tokens))
    return rows


def _list_sums(key: Any, name: str, sums: Row, by: Kind | None, chosen: dict[str, str]) -> dict[str, Any]:
    only = {"user": str(key), "by": "model"} if by == "user" else {"model": name, "by": "user"}
    return {
        "name": name or gettext("None was reached"),
        "page": reverse("admin:accounts_user_change", args=[key]) if by == "user" else "",
        "link": _link(chosen, **only) if name else "",
        "counts": [
            say_count(sums[column])
            for column in ("requests", "failed", "prompt_tokens", "completion_tokens", "total_tokens")
        ],
    }


def _csv_link(query: UsageQuery, by: Kind | None) -> str:
    groups: Sequence[str] = ("day", by) if by else ("day",)
    wanted = {"scope": "all", "from": query.first_day, "to": query.last_day, "group_by": ",".join(groups)}
    if query.user_id:
        wanted["user"] = str(query.user_id)
    if query.model:
        wanted["model"] = query.model
    return f"{reverse('usage')}?{urlencode(wanted | {'format': 'csv'})}"


def _describe_chart(chart: UsageChart, by: Kind | None) -> dict[str, Any]:
    """For the script: lines in words of the reader's language, with a value for each day."""
    whole = ChartLine("", gettext("All"), chart.everything.days)
    lines = chart.lines or (whole,)
    return {
        "day": gettext("Day"),
        "days": [day.isoformat() for day in chart.days],
        "lines": [
            {
                "name": line.name if line is whole else _name_line(line, by),
                "tokens": [day.tokens for day in line.days],
                "requests": [day.requests for day in line.days],
            }
            for line in lines
        ],
    }

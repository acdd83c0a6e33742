"""`manage.py usage_report`: what was used, as CSV or JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, cast

from django.core.management.base import BaseCommand
from rest_framework.exceptions import ValidationError

from accounts.management.named_accounts import find_account
from accounts.usage.report import GROUPS, UsageQuery, list_columns, load_page
from accounts.usage.serializers import DEFAULT_DAYS, MAX_PAGE, UsageQuerySerializer
from gateway.command_errors import refuse_input
from gateway.csv_lines import write_csv


class Command(BaseCommand):
    help = "What everybody used, or one account: requests, tokens, latencies and cost, by day, user, model …"
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", help=f"The first day; {DEFAULT_DAYS} days when left out.")
        parser.add_argument("--to", help="The last day; today when left out.")
        parser.add_argument("--group-by", default="user,model", help=f"Some of {','.join(GROUPS)}.")
        parser.add_argument("--user", help="Name or e-mail address of one account.")
        parser.add_argument("--format", choices=["csv", "json"], default="csv", help="JSON: a row a line.")

    def handle(self, *args: Any, **options: Any) -> None:
        query = _read_query(options)
        if options["format"] == "csv":
            self.stdout.write(write_csv([list_columns(query.group_by)]), ending="")
        after = None
        while True:
            page = load_page(query, limit=MAX_PAGE, after=after)
            if options["format"] == "csv":
                self.stdout.write(write_csv(list(row.values()) for row in page.rows), ending="")
            else:
                for row in page.rows:
                    self.stdout.write(json.dumps(row, default=str, ensure_ascii=False))
            if (after := page.next) is None:
                return


def _read_query(options: dict[str, Any]) -> UsageQuery:
    """Raises CommandError."""
    given = {name: options[name] for name in ("from", "to", "group_by") if options[name]}
    serializer = UsageQuerySerializer(data=given)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as exc:
        raise refuse_input(_name_flags(exc)) from exc
    user = find_account(options["user"]) if options["user"] else None
    wanted = serializer.validated_data
    return UsageQuery(
        first_day=wanted["from"],
        last_day=wanted["to"],
        group_by=wanted["group_by"],
        user_id=user.pk if user else None,
    )


def _name_flags(error: ValidationError) -> str:
    """`--group-by: …`, for each flag that is wrong."""
    detail = cast("dict[str, list[str]]", error.detail)
    return " ".join(
        f"--{name.replace('_', '-')}: {' '.join(map(str, said))}" for name, said in detail.items()
    )

"""Charts of usage in the admin: what they add up, and what their page shows as numbers."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import DailyUsage, Role, User
from accounts.usage.charts import MOST_DRAWN, load_chart
from accounts.usage.report import UsageQuery

pytestmark = pytest.mark.django_db

FIRST, LAST = date(2026, 11, 20), date(2026, 11, 22)
QUERY = UsageQuery(first_day=FIRST, last_day=LAST)
PAGE = "/admin/accounts/dailyusage/charts/"


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def web() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", role=Role.ADMIN))
    client.get("/admin/")
    return client


def use(user: User, day: date, tokens: int, *, model: str = "m", requests: int = 1) -> DailyUsage:
    return DailyUsage.objects.create(
        user=user, day=day, model=model, requests=requests, prompt_tokens=tokens - 1, completion_tokens=1
    )


def chart_data(page: Any) -> Any:
    found = re.search(r'<script id="usage-chart-data"[^>]*>(.*?)</script>', page.content.decode())
    assert found is not None
    return json.loads(found[1])


def test_days_without_use_are_zeros_and_other_days_are_left_out(mina: User) -> None:
    use(mina, FIRST, 100, requests=3)
    use(mina, FIRST, 50, model="other", requests=2)
    use(mina, FIRST - timedelta(days=1), 7)

    chart = load_chart(QUERY, None)

    assert chart.days == (FIRST, date(2026, 11, 21), LAST)
    assert [(day.requests, day.tokens) for day in chart.everything.days] == [(5, 150), (0, 0), (0, 0)]
    assert (chart.lines, chart.listed, chart.totals["total_tokens"]) == ((), (), 150)


@pytest.mark.parametrize("by", ["user", "model"])
def test_those_that_used_most_are_lines_and_the_others_one_together(by: str) -> None:
    users = [User.objects.create(username=f"user-{number}") for number in range(MOST_DRAWN + 2)]
    for number, user in enumerate(users):
        use(user, LAST, 100 * (number + 1), model=user.username)

    chart = load_chart(QUERY, "user" if by == "user" else "model")

    names = [user.username for user in reversed(users)]
    assert [name for _key, name, _sums in chart.listed] == names
    assert [line.name for line in chart.lines] == [*names[:MOST_DRAWN], ""]
    assert [line.days[-1].tokens for line in chart.lines] == [600, 500, 400, 300, 300]
    assert chart.lines[-1].days[0].tokens == 0


@pytest.mark.parametrize("by", ["user", "model"])
def test_of_those_with_as_many_tokens_the_one_with_more_requests_is_first(by: str) -> None:
    for name, requests in (("few", 1), ("many", 7), ("some", 3)):
        use(User.objects.create(username=name), FIRST, 100, model=name, requests=requests)

    chart = load_chart(QUERY, "user" if by == "user" else "model")

    assert [name for _key, name, _sums in chart.listed] == ["many", "some", "few"]
    assert (chart.totals["requests"], chart.totals["total_tokens"]) == (11, 300)


def test_few_lines_leave_nothing_for_others(mina: User) -> None:
    use(mina, LAST, 100)

    chart = load_chart(QUERY, "user")

    assert [(line.key, line.name) for line in chart.lines] == [(mina.pk, "mina")]


def test_page_has_every_number_of_its_charts(web: Client, mina: User) -> None:
    today = timezone.now().date()
    use(mina, today, 1234, requests=5)

    page = web.get(PAGE, {"days": "7", "by": "user"})

    data = chart_data(page)
    assert (len(data["days"]), data["days"][-1]) == (7, today.isoformat())
    assert [(line["name"], line["tokens"][-1]) for line in data["lines"]] == [("mina", 1234)]
    assert page.context["rows"][0] == (today.isoformat(), "5", "1,234", ["1,234"])
    assert f'href="/admin/accounts/user/{mina.pk}/change/">mina</a>' in page.content.decode()


def test_page_is_narrowed_to_an_account_and_a_model(web: Client, mina: User) -> None:
    today = timezone.now().date()
    use(mina, today, 10, model="small")
    use(mina, today, 20, model="large")
    use(User.objects.create(username="jun"), today, 30, model="large")

    of_mina = web.get(PAGE, {"user": str(mina.pk), "by": "model"})
    of_large = web.get(PAGE, {"model": "large", "by": "user"})

    assert [line["name"] for line in chart_data(of_mina)["lines"]] == ["large", "small"]
    assert [line["name"] for line in chart_data(of_large)["lines"]] == ["jun", "mina"]
    assert f"user={mina.pk}" in of_mina.context["csv"]
    assert "model=large" in of_large.context["csv"]


def test_csv_of_the_page_has_its_days_and_lines(web: Client, mina: User) -> None:
    use(mina, timezone.now().date(), 10)

    link = web.get(PAGE, {"days": "7", "by": "model"}).context["csv"]

    assert "group_by=day%2Cmodel" in link
    assert web.get(link)["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    "query", [{"days": "5"}, {"days": "x"}, {"by": "key"}, {"user": "nobody"}, {"model": "a\0b"}]
)
def test_page_leaves_out_what_it_does_not_know(web: Client, query: dict[str, str]) -> None:
    page = web.get(PAGE, query)

    assert page.status_code == 200
    assert len(page.context["rows"]) == 30


def test_names_of_models_cannot_end_the_data_of_the_charts(web: Client, mina: User) -> None:
    use(mina, timezone.now().date(), 10, model="</script><script>alert(1)")

    page = web.get(PAGE, {"by": "model"})

    assert "<script>alert" not in page.content.decode()
    assert chart_data(page)["lines"][0]["name"] == "</script><script>alert(1)"


def test_page_takes_as_many_queries_for_many_users(web: Client) -> None:
    counts = []
    for size in (2, 60):
        for number in range(size):
            use(User.objects.create(username=f"user-{size}-{number}"), timezone.now().date(), 10 + number)
        with CaptureQueriesContext(connection) as queries:
            web.get(PAGE, {"by": "user"})
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 12


def test_charts_are_for_administrators(mina: User) -> None:
    plain = Client()
    plain.force_login(mina)

    assert plain.get(PAGE).status_code == 302

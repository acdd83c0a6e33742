"""GET /api/usage, its CSV, the admin's page and the command: what was used, by whom, at what cost."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, DailyUsage, Role, User
from accounts.tests.rest import client_of, client_with
from accounts.usage import views
from gateway.csv_lines import write_csv

pytestmark = [
    pytest.mark.django_db,
    # Django's test client reads an asynchronous stream at once.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]

DAYS = [date(2026, 11, number) for number in (20, 21, 22)]
RANGE = {"from": "2026-11-20", "to": "2026-11-22"}
MISSING = uuid.UUID("00000000-0000-7000-8000-000000000000")


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def juno() -> User:
    return User.objects.create(username="juno")


@pytest.fixture
def root() -> User:
    return User.objects.create(username="root", role=Role.ADMIN)


def use(user: User, day: date = DAYS[0], model: str = "m", **columns: Any) -> DailyUsage:
    filled = {"requests": 1, "prompt_tokens": 10, "endpoint": "/api/chat"} | columns
    return DailyUsage.objects.create(user=user, day=day, model=model, **filled)


def ask(caller: User, **query: Any) -> Any:
    return client_of(caller).get("/api/usage", RANGE | query)


def rows(response: Any, *names: str) -> list[tuple[Any, ...]]:
    assert response.status_code == 200, response.content
    return [tuple(row[name] for name in names) for row in response.json()["data"]]


def param_of(response: Any) -> tuple[int, str | None]:
    return response.status_code, response.json()["error"]["param"]


def read_csv(response: Any) -> list[list[str]]:
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(b"".join(response).decode())))


def test_report_says_all_about_the_own_days(mina: User, juno: User) -> None:
    counts: dict[str, Any] = {"failed": 1, "cancelled": 2, "completion_tokens": 5, "estimated_tokens": 3}
    times: dict[str, Any] = {"latency_ms": 900, "latency_count": 2, "ttft_ms": 50, "ttft_count": 1}
    use(mina, DAYS[1], requests=4, cost_micros=1_250_000, **counts, **times)
    use(mina, DAYS[1], "other", requests=2)
    use(mina, date(2026, 11, 19))
    use(juno, DAYS[1])

    content = ask(mina).json()

    assert content.pop("totals") == {k: v for k, v in content["data"][0].items() if k != "day"}
    assert content == {
        "object": "list",
        "from": "2026-11-20",
        "to": "2026-11-22",
        "group_by": ["day"],
        "currency": "USD",
        "data": [
            {
                "day": "2026-11-21",
                "requests": 6,
                "failed": 1,
                "cancelled": 2,
                "prompt_tokens": 20,
                "completion_tokens": 5,
                "total_tokens": 25,
                "estimated_tokens": 3,
                "mean_latency_ms": 450,
                "mean_ttft_ms": 50,
                "cost": 1.25,
            }
        ],
        "next": None,
        "has_more": False,
    }


def test_groups_are_told_apart_in_the_order_asked_for(mina: User) -> None:
    key = ApiKey.objects.create(user=mina, name="laptop", prefix="abcdefgh")
    gone = uuid.uuid4()
    use(mina, DAYS[1], "b", key_id=key.pk)
    use(mina, DAYS[0], "b", key_id=key.pk)
    use(mina, DAYS[0], "a", endpoint="title")
    use(mina, DAYS[0], "a", key_id=gone)

    by_model = ask(mina, group_by="model,day")
    by_key = ask(mina, group_by="key")
    by_endpoint = ask(mina, group_by="endpoint", model="a")
    of_key = ask(mina, key=key.pk)

    assert rows(by_model, "model", "day", "requests") == [
        ("a", "2026-11-20", 2),
        ("b", "2026-11-20", 1),
        ("b", "2026-11-21", 1),
    ]
    assert set(rows(by_key, "key_id", "key_name")) == {
        (None, ""),
        (str(key.pk), str(key)),
        (str(gone), "deleted key"),
    }
    assert rows(by_endpoint, "endpoint") == [("/api/chat",), ("title",)]
    assert rows(of_key, "day") == [("2026-11-20",), ("2026-11-21",)]


def test_administrators_see_their_own_unless_they_ask_for_others(root: User, mina: User, juno: User) -> None:
    for user, requests in ((root, 1), (mina, 20), (juno, 300)):
        use(user, requests=requests)

    assert ask(root, group_by="user").json()["totals"]["requests"] == 1
    everybody = ask(root, group_by="user", scope="all")
    assert sorted(rows(everybody, "username", "requests")) == [("juno", 300), ("mina", 20), ("root", 1)]
    for named in ("mina", str(mina.pk)):
        assert ask(root, user=named).json()["totals"]["requests"] == 20
    assert param_of(ask(root, user=str(MISSING))) == (404, "user")


def test_others_usage_is_for_administrators_in_person(mina: User, juno: User, root: User) -> None:
    use(juno)
    asked = [{"scope": "all"}, {"user": "juno"}, {"user": str(juno.pk)}, {"user": str(MISSING)}]

    answers = [ask(mina, **query) for query in asked]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.json()["error"]["message"] for answer in answers}) == 1
    issued = client_of(root).post(
        "/api/keys", {"name": "k", "scopes": ["history"]}, content_type="application/json"
    )
    with_key = client_with(issued.json()["key"])
    assert with_key.get("/api/usage", RANGE).status_code == 200
    assert with_key.get("/api/usage", RANGE | {"scope": "all"}).status_code == 403
    assert rows(ask(mina, key=str(MISSING)), "day") == []
    assert Client().get("/api/usage").status_code == 401


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-23"}, "from"),
        ({"from": "2025-10-18"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"group_by": "day,hour"}, "group_by"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"after": "x"}, "after"),
        ({"after": "WyJ4Il0="}, "after"),
        ({"format": "xml"}, "format"),
        ({"scope": "ours"}, "scope"),
        ({"key": "laptop"}, "key"),
        ({"days": "3"}, "days"),
    ],
)
def test_what_is_wrong_is_named(mina: User, query: dict[str, str], param: str) -> None:
    assert param_of(ask(mina, **query)) == (400, param)


def test_a_report_covers_400_days(mina: User) -> None:
    assert ask(mina, **{"from": "2025-10-19"}).status_code == 200
    assert ask(mina, **{"from": "0001-01-01", "to": "0001-01-02"}).status_code == 200
    assert client_of(mina).get("/api/usage", {"to": "0001-01-02"}).json()["from"] == "0001-01-01"


@pytest.mark.parametrize("group_by", ["day,model,key,user,endpoint", "key,day", "user,model"])
def test_pages_hold_every_row_once(root: User, mina: User, group_by: str) -> None:
    keys = sorted([uuid.uuid4(), uuid.uuid4()])
    for day in DAYS:
        for model in ("a", "한"):
            for key in keys:
                for user in (root, mina):
                    use(user, day, model, key_id=key)
    whole = ask(root, group_by=group_by, scope="all").json()

    read: list[Any] = []
    after: dict[str, str] = {}
    while True:
        content = ask(root, group_by=group_by, scope="all", limit=3, **after).json()
        read += content["data"]
        assert content["totals"] == whole["totals"]
        if not content["has_more"]:
            break
        after = {"after": content["next"]}

    assert read == whole["data"]
    assert sum(row["requests"] for row in read) == 24


def test_more_rows_take_no_more_queries(
    root: User, mina: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(root)
    query = RANGE | {"group_by": "day,model,key,user,endpoint", "scope": "all"}
    for number in range(12):
        key = ApiKey.objects.create(user=mina, name="k", prefix=f"pre{number}")
        use(User.objects.create(username=f"u{number}"), model=f"m{number}", key_id=key.pk)
        if number in {0, 11}:
            with django_assert_num_queries(4):  # session, rows, names of keys, totals
                assert len(client.get("/api/usage", query).json()["data"]) == number + 1


@pytest.mark.parametrize("query", [{}, {"format": "csv"}])
def test_client_that_accepts_csv_alone_is_not_refused(mina: User, query: dict[str, str]) -> None:
    response = client_of(mina).get("/api/usage", query, headers={"Accept": "text/csv"})

    assert response.status_code == 200


def test_csv_holds_every_row_and_no_formula(mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MAX_PAGE", 2)
    for number in range(5):
        use(mina, model=f"=m{number}", cost_micros=5)

    response = ask(mina, group_by="model", format="csv", limit=1)

    assert response["Content-Disposition"] == 'attachment; filename="usage-2026-11-20-2026-11-22.csv"'
    head, *lines = read_csv(response)
    assert (head[:2], len(head)) == (["model", "requests"], 11)
    assert [line[0] for line in lines] == [f"'=m{number}" for number in range(5)]
    assert all(len(line) == 11 and line[8:] == ["", "", "0.000005"] for line in lines)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_quoted(start: str) -> None:
    (line,) = csv.reader(io.StringIO(write_csv([[f"{start}1+1", -5, None, "a=b"]]), newline=""))

    assert line == [f"'{start}1+1", "-5", "", "a=b"]


def test_admin_page_filters_and_leads_to_the_csv(root: User, mina: User, juno: User) -> None:
    use(mina, DAYS[0], "tiny", cost_micros=1_500_000, latency_ms=900, latency_count=2)
    use(juno, DAYS[1], "large", key_id=uuid.uuid4())
    web = Client()
    web.force_login(root)
    web.get("/admin/")

    pages = [
        web.get("/admin/accounts/dailyusage/", query).content.decode()
        for query in ({}, {"model": "tiny"}, {"q": "juno"}, {"until": "2026-11-20"})
    ]

    # Only in the rows of the list: filters repeat what was typed.
    shown = [["mina</td>" in page, "juno</td>" in page] for page in pages]
    assert shown == [[True, True], [True, False], [False, True], [True, False]]
    assert "1.5000 USD" in pages[1] and "0.45 s" in pages[1] and "deleted key" in pages[2]
    link = pages[3].split('href="/api/usage?')[1].split('"')[0].replace("&amp;", "&")
    _head, *lines = read_csv(web.get(f"/api/usage?{link}"))
    assert [line[:2] for line in lines] == [["2026-11-20", "tiny"]]


def test_command_reports_everybody(mina: User, juno: User, capsys: pytest.CaptureFixture[str]) -> None:
    use(mina)
    use(juno, model="n")

    call_command("usage_report", "--from", "2026-11-20", "--to", "2026-11-22", "--group-by", "model")
    lines = capsys.readouterr().out.splitlines()
    call_command(
        "usage_report", "--from", "2026-11-20", "--to", "2026-11-22", "--user", "mina", "--format", "json"
    )

    assert [line.split(",")[0] for line in lines] == ["model", "m", "n"]
    assert '"username": "mina", "model": "m"' in capsys.readouterr().out
    for flag, value in (("--user", "nobody"), ("--group-by", "hour"), ("--from", "soon")):
        with pytest.raises(CommandError, match="nobody" if flag == "--user" else f"^{flag}: "):
            call_command("usage_report", flag, value)

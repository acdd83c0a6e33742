"""The audit trail in the admin: its filters, and what is filtered as CSV."""

from __future__ import annotations

import csv
import datetime
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.change_origin import ChangeOrigin
from accounts.login_trail import record_failed_login
from accounts.models import AuditEvent, Role, User, Via
from gateway import downloads
from gateway.ids import first_id_at, new_id

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/auditevent/"
MARCH = datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.UTC)
ROOT_ID = new_id()


@pytest.fixture
def web() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", role=Role.ADMIN))
    client.get("/admin/")
    AuditEvent.objects.all().delete()
    return client


def add(action: str = "user_changed", **columns: Any) -> AuditEvent:
    known = {"actor_name": "root", "via": Via.ADMIN, "target_type": "user", "target_id": "1"}
    return AuditEvent.objects.create(action=action, **known | columns)


def shown(web: Client, **filters: str) -> list[AuditEvent]:
    page = web.get(LIST, filters)
    assert page.status_code == 200
    return list(page.context["cl"].result_list)


def downloaded(web: Client, **filters: str) -> list[dict[str, str]]:
    answer: Any = web.get(f"{LIST}csv/", filters)
    assert answer.status_code == 200
    text = async_to_sync(collect)(answer.streaming_content).decode()
    return list(csv.DictReader(text.splitlines()))


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def test_failed_log_in_stands_among_what_happened_at_its_time(web: Client) -> None:
    user = User.objects.create(username="kim")
    early = add(target_label="before")
    record_failed_login(account=user, origin=ChangeOrigin(via=Via.PAGE))
    late = add(target_label="after")
    today, yesterday = early.at.date(), early.at.date() - datetime.timedelta(days=1)
    tomorrow = early.at.date() + datetime.timedelta(days=1)

    rows = shown(web)

    failed = AuditEvent.objects.get(action=AuditEvent.Action.LOGIN_FAILED)
    assert rows == [late, failed, early]
    assert failed in shown(web, until=today.isoformat())
    assert failed not in shown(web, until=yesterday.isoformat())
    assert failed not in shown(web, since=tomorrow.isoformat())


@pytest.mark.parametrize(
    ("filters", "columns"),
    [
        ({"actor": "jun"}, {"actor_name": "jun"}),
        ({"actor": str(ROOT_ID)}, {"actor_id": ROOT_ID}),
        ({"action": "key_revoked"}, {"action": "key_revoked"}),
        ({"about": "mina"}, {"target_label": "mina"}),
        ({"about": "another-id"}, {"target_id": "another-id"}),
        ({"target_type": "switch"}, {"target_type": "switch"}),
        ({"via__exact": "command"}, {"via": Via.COMMAND}),
        ({"since": "2026-03-04", "until": "2026-03-04"}, {"id": first_id_at(MARCH)}),
    ],
)
def test_each_filter_finds_its_events_in_the_list_and_in_the_file(
    web: Client, filters: dict[str, str], columns: dict[str, Any]
) -> None:
    add()
    wanted = add(**columns)

    assert shown(web, **filters) == [wanted]
    assert [row["action"] for row in downloaded(web, **filters)] == [wanted.action]


def test_filters_narrow_each_other_and_searches_them(web: Client) -> None:
    add(actor_name="jun", target_label="laptop")
    add(action="key_revoked", target_label="laptop")
    wanted = add(action="key_revoked", actor_name="jun", target_label="laptop")

    assert shown(web, actor="jun", action="key_revoked", q="lap") == [wanted]


@pytest.mark.parametrize("filters", [{"since": "yesterday"}, {"since": "9999-99-99"}, {"until": "x"}])
def test_odd_day_leads_back_to_the_list(web: Client, filters: dict[str, str]) -> None:
    assert web.get(f"{LIST}csv/", filters).status_code == 302
    assert web.get(LIST, filters).status_code == 302


@pytest.mark.parametrize("name", ["actor", "about", "action", "target_type"])
def test_text_that_no_row_can_hold_finds_nothing(web: Client, name: str) -> None:
    add()

    assert shown(web, **{name: "a\0b"}) == []


def test_file_accepts_no_field_that_the_list_does_not(web: Client) -> None:
    assert web.get(f"{LIST}csv/", {"address__startswith": "1"}).status_code == 400


def test_file_has_every_row_once_in_pages_that_no_row_is_held_beyond(
    web: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PAGE_ROWS", 3)
    made = [add(target_label=f"number {number}") for number in range(8)]

    with CaptureQueriesContext(connection) as queries:
        rows = downloaded(web)

    assert [row["target_label"] for row in rows] == [event.target_label for event in reversed(made)]
    pages = [each["sql"] for each in queries if "LIMIT 3" in each["sql"] and "target_label" in each["sql"]]
    assert len(pages) == 4


def test_file_runs_nothing_in_a_spreadsheet_and_tells_everything(web: Client) -> None:
    event = add(target_label="=HYPERLINK(1)", changes={"role": ["user", "admin"]}, address="192.0.2.1")

    [row] = downloaded(web)

    assert row["target_label"] == "'=HYPERLINK(1)"
    assert (row["changes"], row["address"]) == ('{"role":["user","admin"]}', "192.0.2.1")
    assert row["at"] == event.at.isoformat()


def test_file_is_for_administrators(web: Client) -> None:
    plain = Client()
    plain.force_login(User.objects.create(username="plain"))

    assert plain.get(f"{LIST}csv/").status_code == 302


def test_list_says_what_changed_and_leads_to_it(web: Client) -> None:
    mina = User.objects.create(username="mina")
    add(
        action="role_changed",
        target_id=str(mina.pk),
        target_label="mina",
        changes={"role": ["user", "admin"], "note": "x" * 300},
    )

    page = web.get(LIST).content.decode()

    assert "role: user → admin" in page
    assert "x" * 200 not in page
    assert f'<a href="{reverse("admin:accounts_user_change", args=[mina.pk])}">mina</a>' in page


def test_link_to_the_file_keeps_the_filters(web: Client) -> None:
    page = web.get(LIST, {"actor": "root", "q": "mina"}).content.decode()

    assert 'href="/admin/accounts/auditevent/csv/?actor=root&amp;q=mina"' in page


def test_list_takes_as_many_queries_for_many_events(web: Client) -> None:
    counts = []
    for _time in range(2):
        for number in range(20):
            add(target_label=f"number {number}")
        with CaptureQueriesContext(connection) as queries:
            shown(web)
        counts.append(len(queries))

    assert counts[0] == counts[1]

"""Lists of the admin: quick however many rows there are, and closed to filters that are not declared."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
from django.db import connection
from django.db.models import ForeignObjectRel, Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import ApiKey, AuditEvent, DailyUsage, Role, Session, User
from accounts.tokens import issue_pair
from conversations.models import Conversation, Feedback, Folder, Message, SavedPrompt, SharedLink, StoredFile
from gateway.admin_lists import UncountedAdmin
from gateway.ids import first_id_at
from gateway.tests.admin_pages import registered_pages
from modelops.models import Engine, HardwareSample, Switch

pytestmark = pytest.mark.django_db

GROWING = [
    *(User, ApiKey, AuditEvent, DailyUsage, Session, Conversation, Message, Switch, Engine),
    *(Feedback, Folder, SavedPrompt, SharedLink, StoredFile),
]
REGISTERED = sorted(registered_pages(), key=lambda model: model._meta.label)
SECRETS = [
    *((ApiKey, "digest"), (Session, "refresh_jti"), (Session, "previous_jti"), (User, "password")),
    *((Message, "request_digest"), (Message, "content"), (Conversation, "title"), (Engine, "environment")),
    *((StoredFile, "text"), (SavedPrompt, "content"), (Folder, "name"), (Feedback, "comment")),
]


@pytest.fixture(autouse=True)
def quick_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def web() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", role=Role.ADMIN))
    client.get("/admin/")  # the first page opens the session of the cookie
    return client


@pytest.fixture
def mina() -> User:
    return User.objects.create_user("mina", "mina@example.com", "a long enough phrase")


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def add_messages(owner: User, count: int, **columns: Any) -> list[Message]:
    conversation = Conversation.objects.create(owner=owner)
    rows = [Message(conversation=conversation, owner=owner, role="user", **columns) for _ in range(count)]
    return Message.objects.bulk_create(rows)


def rows_of(page: Any) -> list[Any]:
    return [row.pk for row in page.context["cl"].result_list]


def narrow(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> None:
    """Set these of the messages' admin."""
    for name, value in attributes.items():
        monkeypatch.setattr(type(registered_pages()[Message]), name, value)


def test_every_list_that_grows_is_an_uncounted_one() -> None:
    uncounted = {model for model, page in registered_pages().items() if isinstance(page, UncountedAdmin)}

    assert uncounted == set(GROWING)


@pytest.mark.parametrize("model", GROWING, ids=lambda model: model.__name__)
@pytest.mark.parametrize("query", ["", "?q=mina", "?_facets=True", "?until=2026-01-01", "?all=", "?o=1"])
def test_growing_list_is_neither_counted_nor_sorted_nor_made_distinct(
    web: Client, mina: User, model: type[Model], query: str
) -> None:
    add_messages(mina, 2)
    issue_api_key(user=mina, name="laptop", scopes=["history"], origin=COMMAND)
    issue_pair(mina)

    with CaptureQueriesContext(connection) as queries:
        page = web.get(list_of(model) + query)

    assert page.status_code == 200
    assert not [q["sql"] for q in queries if re.search(r"COUNT\(|DISTINCT|MIN\(|MAX\(", q["sql"])]
    order = page.context["cl"].queryset.query.order_by
    assert order == {User: ("username",), AuditEvent: ("-at", "-pk")}.get(model, ("-pk",))


def test_list_of_messages_takes_as_many_queries_for_many_rows(web: Client, mina: User) -> None:
    counts = []
    for size in (3, 250):
        add_messages(mina, size)
        with CaptureQueriesContext(connection) as queries:
            web.get(list_of(Message))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_pages_reach_every_row_once_from_the_newest_on(web: Client, mina: User) -> None:
    made = add_messages(mina, 250)
    path, seen = list_of(Message), []

    query = "?"
    while query:
        page = web.get(path + query)
        seen += rows_of(page)
        query = page.context["cl"].next_page

    assert seen == [row.pk for row in reversed(made)]
    assert page.context["cl"].previous_page == "?p=2"


@pytest.mark.parametrize("number", ["4", "0", "-1", "x", "9" * 30])
def test_page_that_is_not_there_leads_back_to_the_list(web: Client, mina: User, number: str) -> None:
    add_messages(mina, 250)

    page = web.get(f"{list_of(Message)}?p={number}")

    assert page.status_code in {200, 302}
    assert page.status_code == 302 or len(rows_of(page)) == 100


def test_search_looks_at_the_newest_rows_and_says_so(
    web: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch, searched_rows=3)
    made = add_messages(mina, 5, request_id="the-same")

    page = web.get(list_of(Message), {"q": "the-same"})
    filtered = web.get(list_of(Message), {"role__exact": "user"})
    plain = web.get(list_of(Message))

    newest = [row.pk for row in reversed(made[-3:])]
    assert (rows_of(page), rows_of(filtered)) == (newest, newest)
    assert "Only the newest 3 rows were searched" in page.content.decode()
    assert len(rows_of(plain)) == 5
    assert "were searched" not in plain.content.decode()


def test_search_starts_at_the_chosen_day(web: Client, mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow(monkeypatch, searched_rows=3)
    then = datetime.datetime(2026, 3, 4, 23, 59, 59, tzinfo=datetime.UTC)
    [old] = add_messages(mina, 1, id=first_id_at(then), request_id="the-same")
    add_messages(mina, 5, request_id="the-same")

    found = {
        day: rows_of(web.get(list_of(Message), {"q": "the-same", "until": day}))
        for day in ("2026-03-03", "2026-03-04")
    }

    assert found == {"2026-03-03": [], "2026-03-04": [old.pk]}


def test_id_is_found_in_the_whole_table(web: Client, mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow(monkeypatch, searched_rows=3)
    made = add_messages(mina, 1)
    add_messages(mina, 5)

    for wanted in (made[0].pk, made[0].conversation_id):
        assert rows_of(web.get(list_of(Message), {"q": str(wanted)})) == [made[0].pk]


def test_days_of_use_are_chosen_by_their_day(web: Client, mina: User) -> None:
    today = timezone.now().date()
    days = [today - datetime.timedelta(days=number) for number in range(3)]
    rows = [DailyUsage.objects.create(user=mina, day=day) for day in days]

    page = web.get(list_of(DailyUsage), {"until": days[1].isoformat()})

    assert set(rows_of(page)) == {rows[1].pk, rows[2].pk}


@pytest.mark.parametrize("until", ["yesterday", "2026-13-01", "9999-12-31", "0001-01-01"])
def test_odd_day_leads_back_to_the_list(web: Client, until: str) -> None:
    assert web.get(list_of(Message), {"until": until}).status_code in {200, 302}


def test_typed_filter_keeps_what_else_was_chosen(web: Client, mina: User) -> None:
    add_messages(mina, 2, model="tiny", request_id="the-same")

    page = web.get(list_of(Message), {"q": "the-same", "model": "tiny", "role__exact": "user"})

    assert len(rows_of(page)) == 2
    assert '<input type="hidden" name="role__exact" value="user">' in page.content.decode()
    assert web.get(list_of(Message), {"model": "a\0b"}).status_code == 200


def undeclared_fields(model: type[Model]) -> list[str]:
    declared = set()
    for each in registered_pages()[model].list_filter:
        name: Any = each[0] if isinstance(each, tuple) else each
        declared.add(getattr(name, "parameter_name", name))
    fields = [each for each in model._meta.get_fields() if not isinstance(each, ForeignObjectRel)]
    return [each.name for each in fields if each.name not in declared]


@pytest.mark.parametrize("model", [m for m in REGISTERED if m is not HardwareSample], ids=str)
def test_list_accepts_no_field_that_it_does_not_declare(web: Client, model: type[Model]) -> None:
    for name in undeclared_fields(model):
        for lookup in (name, f"{name}__startswith", f"{name}__regex"):
            assert web.get(list_of(model), {lookup: "a"}).status_code == 400, lookup


@pytest.mark.parametrize(("model", "name"), SECRETS)
def test_secrets_are_among_what_no_list_declares(model: type[Model], name: str) -> None:
    assert name in undeclared_fields(model)


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (Message, "role__startswith"),
        (Message, "owner__password__startswith"),
        (Switch, "slot__lease_holder__startswith"),
        (Session, "user__password__startswith"),
        (User, "password__startswith"),
    ],
)
def test_no_list_filters_by_the_beginning_of_a_value(web: Client, model: type[Model], query: str) -> None:
    assert web.get(list_of(model), {query: "a"}).status_code == 400

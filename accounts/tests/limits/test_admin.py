"""Limits in the admin: what can be entered, what is refused, and what is put on record."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import AuditEvent, DailyUsage, Limit, User

pytestmark = pytest.mark.django_db


def add(web: Client, **fields: object) -> Any:
    return web.post("/admin/accounts/limit/add/", {"kind": "requests", "value": 5, "window_s": 60} | fields)


def test_limits_of_every_subject_can_be_entered(web: Client, mina: User) -> None:
    key = issue_api_key(user=mina, name="laptop", scopes=["chat"], origin=COMMAND).row
    subjects: list[dict[str, object]] = [
        {"subject": "default"},
        {"subject": "role", "role": "user"},
        {"subject": "user", "user": mina.pk},
        {"subject": "key", "api_key": key.pk},
        {"subject": "address"},
        {"subject": "address", "network": "10.0.0.0/8"},
        {"subject": "default", "kind": "streams", "window_s": ""},
    ]

    statuses = [add(web, **fields).status_code for fields in subjects]

    assert statuses == [302] * len(subjects)
    page = web.get("/admin/accounts/limit/").content.decode()
    for words in ("everybody", "the role user", "mina", "the key laptop", "every address", "10.0.0.0/8"):
        assert words in page


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"subject": "user"}, "Fill in what the subject says"),
        ({"subject": "default", "role": "user"}, "Fill in what the subject says"),
        ({"subject": "role", "role": "user", "network": "10.0.0.0/8"}, "Fill in what the subject says"),
        ({"subject": "default", "window_s": ""}, "need a window"),
        ({"subject": "default", "kind": "streams"}, "need a window"),
        ({"subject": "address", "kind": "tokens"}, "by its requests only"),
        ({"subject": "address", "network": "10.0.0.1/8"}, "Enter a network"),
        ({"subject": "default", "value": -1}, "greater than or equal to 0"),
        ({"subject": "default", "value": 10**13}, "less than or equal to"),
        ({"subject": "default", "window_s": 0}, "greater than or equal to 1"),
    ],
)
def test_limits_that_mean_nothing_are_refused(web: Client, fields: dict[str, object], problem: str) -> None:
    response = add(web, **fields)

    assert problem in response.content.decode()
    assert not Limit.objects.exists()


def test_second_limit_of_the_same_kind_for_the_same_subject_is_refused(web: Client, mina: User) -> None:
    add(web, subject="user", user=mina.pk)

    response = add(web, subject="user", user=mina.pk, value=9)

    assert response.status_code == 200
    assert Limit.objects.count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "default", "kind": "requests", "value": 1},
        {"subject": "user", "kind": "requests", "value": 1, "window_s": 60},
        {"subject": "address", "kind": "streams", "value": 1},
        {"subject": "default", "kind": "nonsense", "value": 1, "window_s": 60},
        {"subject": "nobody", "kind": "requests", "value": 1, "window_s": 60},
    ],
)
def test_database_refuses_them_too(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Limit.objects.create(**fields)


def test_changes_are_put_on_record(web: Client, mina: User) -> None:
    add(web, subject="user", user=mina.pk)
    limit = Limit.objects.get()
    fields = {"kind": "requests", "subject": "user", "user": mina.pk, "value": 9, "window_s": 60}
    web.post(f"/admin/accounts/limit/{limit.pk}/change/", fields)
    web.post(f"/admin/accounts/limit/{limit.pk}/change/", fields)
    web.post(f"/admin/accounts/limit/{limit.pk}/delete/", {"post": "yes"})

    events = AuditEvent.objects.order_by("at", "id")
    assert [event.action for event in events] == ["limit_created", "limit_changed", "limit_deleted"]
    assert {event.actor_name for event in events} == {"root"}
    assert events[0].changes["user_id"] == [None, str(mina.pk)]
    assert events[1].changes == {"value": [5, 9]}
    assert not Limit.objects.exists()


def test_limits_deleted_from_the_list_are_on_record_too(web: Client) -> None:
    add(web, subject="default")
    add(web, subject="address")
    chosen = [str(pk) for pk in Limit.objects.values_list("pk", flat=True)]

    web.post(
        "/admin/accounts/limit/", {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    )

    assert AuditEvent.objects.filter(action="limit_deleted").count() == 2


@pytest.mark.parametrize("query", ["q=mina", "q=10.0", "subject__exact=user", "kind__exact=tokens", "q=role"])
def test_list_can_be_searched_and_filtered(web: Client, mina: User, query: str) -> None:
    add(web, subject="user", user=mina.pk)

    assert web.get(f"/admin/accounts/limit/?{query}").status_code == 200


def test_usage_is_there_to_look_at(web: Client, mina: User) -> None:
    row = DailyUsage.objects.create(user=mina, day="2026-11-22", requests=3, prompt_tokens=4321)

    assert "4321" in web.get("/admin/accounts/dailyusage/?q=mina").content.decode()
    assert web.get(f"/admin/accounts/dailyusage/{row.pk}/change/").status_code == 200
    assert web.get("/admin/accounts/dailyusage/add/").status_code == 403


def test_account_with_limits_and_usage_can_be_deleted(web: Client, mina: User) -> None:
    add(web, subject="user", user=mina.pk)
    DailyUsage.objects.create(user=mina, day="2026-11-22")

    web.post(f"/admin/accounts/user/{mina.pk}/delete/", {"post": "yes"})

    assert not User.objects.filter(pk=mina.pk).exists()
    assert not Limit.objects.exists()


@pytest.mark.parametrize(
    ("entered", "stored"),
    [
        ("10.0.0.1/32", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("2001:db8::1/128", "2001:db8::1"),
    ],
)
def test_network_is_kept_in_its_one_form(web: Client, entered: str, stored: str) -> None:
    added = add(web, subject="address", network=entered)
    again = add(web, subject="address", network=stored)

    assert (added.status_code, again.status_code) == (302, 200)
    assert Limit.objects.get().network == stored

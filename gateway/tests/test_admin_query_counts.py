"""Every list of the admin takes a few queries, and as many for many rows as for few."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Role, User
from conversations.models import RetentionRule
from gateway.tests.admin_pages import registered_pages
from gateway.tests.admin_rows import add_row_of_each

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12
FEW, MANY = range(3), range(3, 15)


@pytest.fixture(params=[False, True], ids=["admin", "admin who may read texts"])
def web(request: pytest.FixtureRequest) -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", role=Role.ADMIN, may_view_texts=request.param))
    client.get("/admin/")  # the first page opens the session of the cookie
    return client


def count_queries(web: Client) -> dict[str, int]:
    """Of each list, by its model."""
    counts = {}
    for model in registered_pages():
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert web.get(path).status_code == 200, path  # what a process asks for once is known by now
        with CaptureQueriesContext(connection) as queries:
            web.get(path)
        counts[model._meta.label] = len(queries)
    return counts


def count_rows() -> dict[type[Model], int]:
    return {model: model._default_manager.count() for model in registered_pages()}


def test_queries_of_every_list_are_few_and_do_not_grow_with_its_rows(web: Client) -> None:
    for number in FEW:
        add_row_of_each(number)
    of_few, few = count_queries(web), count_rows()
    for number in MANY:
        add_row_of_each(number)
    of_many, many = count_queries(web), count_rows()

    assert [model for model in many if many[model] <= few[model]] == [RetentionRule]
    assert [name for name, count in of_many.items() if count != of_few[name]] == []
    assert [name for name, count in of_many.items() if count > MOST_QUERIES] == []

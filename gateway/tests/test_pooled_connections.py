"""What a pooler that lends connections by transaction must not break: pieces of rows, and locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from accounts.models import AuditEvent
from gateway.database.sessions import connect_apart
from gateway.maintenance.pruning import read_last_run
from gateway.tests.databases import Stores
from gateway.tests.needs import NeedMissing, skip_loudly
from gateway.tests.pooler import start_pooler
from gateway.tests.test_prune import pruning_elsewhere

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
ROWS = 9


@pytest.fixture(scope="module")
def pooler_port(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    try:
        with start_pooler(stores.database_url, tmp_path_factory.mktemp("pooler")) as port:
            yield port
    except NeedMissing as exc:
        skip_loudly("through a pooler", exc)


@pytest.fixture
def pooled(pooler_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the test, Django reaches the database through the pooler, as processes do."""
    connection.close()
    monkeypatch.setitem(connections.settings["default"], "PORT", pooler_port)
    yield
    connection.close()


def test_rows_come_in_pieces_although_others_get_the_connection_in_between(pooled: None) -> None:
    AuditEvent.objects.bulk_create([AuditEvent(action=f"event {number}") for number in range(ROWS)])

    rows = AuditEvent.objects.order_by("at", "pk").values_list("action", flat=True).iterator(chunk_size=2)
    next(rows)
    with closing(connect_apart()) as somebody:
        somebody.execute("SELECT 1")

        assert len(list(rows)) == ROWS - 1


def test_one_run_of_pruning_goes_on_at_a_time(pooled: None) -> None:
    with pruning_elsewhere(), pytest.raises(CommandError, match="Another run goes on"):
        call_command("prune")

    call_command("prune")
    assert read_last_run() is not None

"""The rows of web processes that run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from gateway.ids import new_id
from modelops.models import WebPresence
from modelops.serving.web_presence import Presence, remove_presence, write_presence

pytestmark = pytest.mark.django_db


def presence(**slots: dict[str, int]) -> Presence:
    return Presence(id=new_id(), host="here", pid=1, slots=slots)


def test_a_presence_is_made_then_kept_up_by_the_databases_clock() -> None:
    mine = presence()
    write_presence([mine])
    WebPresence.objects.update(seen_at=Now() - timedelta(minutes=1))

    counts = {"a": {"epoch": 3, "open": 2, "waiting": 1}}
    write_presence([Presence(id=mine.id, host="here", pid=1, slots=counts)])

    row = WebPresence.objects.get()
    assert (row.id, row.host, row.pid, row.slots) == (mine.id, "here", 1, counts)
    assert WebPresence.objects.filter(seen_at__gt=Now() - timedelta(seconds=30)).exists()


def test_a_new_process_has_those_forgotten_that_died_long_ago() -> None:
    write_presence([old := presence(), recent := presence()])
    WebPresence.objects.filter(pk=old.id).update(seen_at=Now() - timedelta(hours=2))
    WebPresence.objects.filter(pk=recent.id).update(seen_at=Now() - timedelta(minutes=30))

    write_presence([mine := presence()])

    assert set(WebPresence.objects.values_list("pk", flat=True)) == {recent.id, mine.id}


def test_a_presence_is_removed_once_and_for_all() -> None:
    write_presence([mine := presence(), other := presence()])

    remove_presence([mine.id])
    remove_presence([mine.id])

    assert [row.pk for row in WebPresence.objects.all()] == [other.id]

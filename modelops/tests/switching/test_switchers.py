"""Which switchers are known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from gateway.ids import new_id
from modelops.models import SwitcherPresence
from modelops.switching.switchers import list_present, record_presence

pytestmark = pytest.mark.django_db


def test_a_new_switcher_forgets_those_that_were_killed_long_ago() -> None:
    for days in (1, 8):
        killed = SwitcherPresence.objects.create(host=f"killed {days} days ago", pid=1)
        SwitcherPresence.objects.filter(pk=killed.pk).update(seen_at=timezone.now() - timedelta(days=days))
    own_id = new_id()

    record_presence(own_id, {"is_acting": True})
    record_presence(own_id, {"is_acting": False})

    (present,) = list_present()
    assert (present.pk, present.is_acting) == (own_id, False)
    assert {row.host for row in SwitcherPresence.objects.exclude(pk=own_id)} == {"killed 1 days ago"}

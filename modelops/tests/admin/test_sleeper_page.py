"""Warm alternatives: what sleeps, what that takes, and an end for what is not used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from modelops.models import Engine, EngineState, ModelProfile, Switch
from modelops.models.presence import HOST_MEMORY
from modelops.switching.sleepers import list_alternatives
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import save_simulated
from modelops.tests.serving.slot_rows import flip, make_engine
from modelops.tests.switch_rows import FACTS, announce_switcher

pytestmark = pytest.mark.django_db

PAGE = "/admin/modelops/engine/asleep/"
GIB = 2**30


@pytest.fixture
def sleeper() -> Engine:
    """`night` sleeps beside `day`, which serves; `spare` was never loaded."""
    announce_switcher(facts=FACTS | {HOST_MEMORY: {"available_bytes": 60 * GIB, "reserve_bytes": 4 * GIB}})
    for slug in ("day", "night", "spare"):
        save_simulated(slug)
    ModelProfile.objects.update(enable_sleep_mode=True, weights_bytes=10 * GIB)
    slot = get_slot()
    spec = {"enable_sleep_mode": True, "weights_bytes": 10 * GIB}
    asleep = make_engine(slot, "night", spec=spec, state=EngineState.ASLEEP, gpus=["GPU-1", "GPU-2"])
    asleep.actual, asleep.last_used_at = {"weights_bytes": 8 * GIB}, timezone.now() - timedelta(hours=1)
    asleep.save()
    flip(slot, make_engine(slot, "day", spec=spec))
    Switch.objects.create(
        slot=slot,
        to_profile="night",
        state="active",
        via="command",
        drain_timeout_s=0,
        drain_policy="cut",
        ended_at=timezone.now(),
        plan={"kind": "wake"},
        state_seconds={"draining": 30.0, "starting": 2.0, "loading": 0.5, "verifying": 1.0},
    )
    return asleep


def test_each_profile_says_what_it_takes_and_how_fast_it_wakes(sleeper: Engine) -> None:
    day, night, spare = list_alternatives(sleeper.slot)

    assert (day.profile, day.serves, day.is_asleep) == ("day", True, False)
    assert (night.profile, night.is_asleep, night.wake_s) == ("night", True, 3.5)
    assert (night.needs_bytes, night.is_measured) == (int(2 * 8 * GIB * 1.2), True)
    assert (spare.profile, spare.engine, spare.wake_s) == ("spare", None, None)
    assert (spare.needs_bytes, spare.is_measured) == (12 * GIB, False)


def test_the_page_offers_an_end_to_what_sleeps_alone(admin_client: Client, sleeper: Engine) -> None:
    page = admin_client.get(PAGE).content.decode()
    serving = Engine.objects.get(profile="day")

    refused = admin_client.post(f"/admin/modelops/engine/{serving.pk}/end-asleep/", follow=True)
    ended = admin_client.post(f"/admin/modelops/engine/{sleeper.pk}/end-asleep/", follow=True)
    sleeper.refresh_from_db()
    serving.refresh_from_db()

    assert page.count("end-asleep") == 1
    assert "Host memory available now: 60.00 GiB; 4.00 GiB of it stay free" in page
    assert "it does not sleep" in refused.content.decode()
    assert serving.end_asked_at is None
    assert "is being ended" in ended.content.decode()
    assert sleeper.end_asked_at is not None
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["sleeper_ended"]

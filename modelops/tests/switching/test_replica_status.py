"""How replicas are told: by REST, on the desk, as an alarm and on the command line."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from modelops.desk.alarm_reading import read_alarms
from modelops.desk.alarms import Alarm
from modelops.desk.serving_parts import describe_serving
from modelops.domain.engine_log.causes import RootCause
from modelops.management.commands.model_status import describe_status
from modelops.models import Engine, EngineState, ModelProfile, Slot
from modelops.switching.selectors import find_switcher
from modelops.switching.slot_status import list_slot_statuses
from modelops.switching.slots import get_slot
from modelops.switching.status import serialise_status
from modelops.tests.fit_rows import save_simulated
from modelops.tests.serving.slot_rows import make_engine
from modelops.tests.switch_rows import announce_switcher, serve

pytestmark = pytest.mark.django_db
CAUSE = RootCause("killed", "it was killed", "Look at its log.")


def serve_with_followers(*states: EngineState) -> Slot:
    announce_switcher()
    save_simulated("a")
    ModelProfile.objects.update(replicas=1 + len(states))
    slot = get_slot()
    leader = serve("a", slot)
    for number, state in enumerate(states, 1):
        row = make_engine(slot, "a", f"http://f{number}:1", replica=number)
        Engine.objects.filter(pk=row.pk).update(state=state)
    assert leader.spec["replicas"] == 1 + len(states)
    return slot


def find_missing() -> list[Alarm]:
    return [alarm for alarm in read_alarms() if alarm.code == "replica_missing"]


def test_status_names_every_replica_and_what_it_does() -> None:
    serve_with_followers(EngineState.SERVING, EngineState.STARTING)

    status = serialise_status(for_admin=True)
    for_users = serialise_status(for_admin=False)

    replicas = status["replicas"]
    assert (replicas["serving"], replicas["wanted"], replicas["problem"]) == (2, 3, None)
    assert [(each["replica"], each["state"]) for each in replicas["engines"]] == [
        (0, "serving"),
        (1, "serving"),
        (2, "starting"),
    ]
    assert {each["name"] for each in for_users["replicas"]["engines"]} == {None}
    assert "2 of 3 replicas answer: default-1 serving" in describe_status(status)


def test_one_engine_is_no_set_of_replicas() -> None:
    serve_with_followers()

    assert serialise_status(for_admin=True)["replicas"] is None


def test_a_replica_that_failed_is_an_alarm_until_it_is_back() -> None:
    slot = serve_with_followers(EngineState.ENDED)
    Engine.objects.filter(replica=1).update(ended_at=timezone.now())
    at = timezone.now() + timedelta(seconds=5)
    Slot.objects.filter(pk=slot.pk).update(replica_problem=CAUSE.serialise(), replica_retry_at=at)

    [alarm] = find_missing()
    described = describe_serving(list_slot_statuses(), find_switcher(slot))["slots"][0]["replicas"]
    Engine.objects.filter(replica=1).update(state=EngineState.SERVING, ended_at=None)
    after = find_missing()

    assert alarm.message == "1 of 2 replicas of a answer: It was killed."
    assert (described["serving"], described["problem"]) == (1, "It was killed.")
    assert after == []

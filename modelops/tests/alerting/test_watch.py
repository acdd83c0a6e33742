"""Alarms are told once when they begin and once when they end, whatever the chat service does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models import F
from structlog.testing import capture_logs

from gateway.conf import GatewayConfig
from gateway.tests.live import wait_until
from gateway.wording import fill_in
from modelops.alerting import database_outage
from modelops.alerting.ledger import KEPT_FOR
from modelops.alerting.watch import AlarmWatch
from modelops.desk.alarm_reading import read_alarms
from modelops.desk.alarms import Alarm, Level
from modelops.models import RaisedAlarm
from modelops.tests.alerting.receiver import Receiver
from modelops.tests.fit_rows import make_gpu_reading, record
from modelops.tests.switch_rows import announce_switcher

pytestmark = pytest.mark.django_db

HOT = Alarm(
    "gpu_hot",
    Level.WARN,
    fill_in("GPU {index} is hot: {temperature} °C.", index=0, temperature=91),
    fill_in("Look at fans."),
    subject="0",
)
DEGRADED = Alarm("degraded", Level.BAD, "Slot default serves nothing.", "Look.", subject="default")


@dataclass
class Desk:
    """What the watch reads."""

    alarms: list[Alarm] = field(default_factory=list)
    is_down: bool = False

    def read(self) -> Sequence[Alarm]:
        if self.is_down:
            raise OperationalError("the connection was refused")
        return list(self.alarms)


def make_config(receiver: Receiver, **settings: str) -> GatewayConfig:
    return GatewayConfig(
        alert_webhook_url=receiver.url,
        **{"alert_webhook_format": "json", **settings},  # type: ignore[arg-type]
    )


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def watch(receiver: Receiver, desk: Desk) -> Iterator[AlarmWatch]:
    made = AlarmWatch(make_config(receiver), read=desk.read)
    yield made
    made.stop()


def look_twice(watch: AlarmWatch) -> None:
    watch.look()
    watch.look()


def let_pass(passed: timedelta) -> None:
    """As if every alarm had been seen last so much earlier."""
    RaisedAlarm.objects.update(seen_at=F("seen_at") - passed, began_at=F("began_at") - passed)


def test_alarm_is_told_when_it_begins_and_when_it_is_over_and_not_in_between(
    watch: AlarmWatch, desk: Desk, receiver: Receiver
) -> None:
    desk.alarms = [HOT, DEGRADED]
    look_twice(watch)
    watch.look()
    desk.alarms = [replace(HOT, message=fill_in("GPU 0 is hot: 93 °C."))]
    let_pass(timedelta(minutes=2))
    look_twice(watch)

    first, second, third = receiver.received

    assert {first["title"], second["title"]} == {
        "Warning: GPU 0 is hot: 91 °C.",
        "Alarm: Slot default serves nothing.",
    }
    assert {first["event"], second["event"]} == {"began"}
    assert (third["event"], third["title"]) == ("ended", "Over: Slot default serves nothing.")
    assert third["ended_at"] is not None


def test_what_is_seen_only_once_or_is_back_within_a_minute_is_not_told(
    watch: AlarmWatch, desk: Desk, receiver: Receiver
) -> None:
    desk.alarms = [DEGRADED]
    watch.look()
    desk.alarms = []
    look_twice(watch)
    assert receiver.received == []

    for desk.alarms in ([HOT], [HOT], [], [], [HOT], [HOT]):
        watch.look()

    assert receiver.titles() == ["Warning: GPU 0 is hot: 91 °C."]


def test_two_switchers_and_one_that_restarts_tell_of_an_alarm_once(
    watch: AlarmWatch, desk: Desk, receiver: Receiver
) -> None:
    other = AlarmWatch(make_config(receiver), read=desk.read)
    desk.alarms = [HOT]
    for each in (watch, other, watch, other):
        each.look()
    let_pass(timedelta(hours=1))  # in which no switcher ran
    restarted = AlarmWatch(make_config(receiver), read=desk.read)
    look_twice(restarted)

    assert receiver.titles() == ["Warning: GPU 0 is hot: 91 °C."]


def test_chat_service_that_fails_is_asked_again_later_and_its_address_is_in_no_log(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100_000, 1000))  # each look at the clock finds it well past the longest pause
    monkeypatch.setattr("modelops.alerting.watch.time.monotonic", lambda: float(next(clock)))
    watch = AlarmWatch(make_config(receiver), read=desk.read)
    desk.alarms = [HOT]
    receiver.answers = [(503, {}), (429, {"Retry-After": "30"}), (302, {"Location": "http://127.0.0.1:1/"})]

    with capture_logs() as logs:
        for _ in range(5):
            watch.look()

    assert receiver.titles() == ["Warning: GPU 0 is hot: 91 °C."]
    assert [each["retry_in_s"] for each in logs if each["event"] == "alert_not_sent"] == [5.0, 30.0, 20.0]
    assert "top-secret-token" not in repr(logs)


def test_pause_after_a_failure_is_kept(watch: AlarmWatch, desk: Desk, receiver: Receiver) -> None:
    desk.alarms = [HOT]
    receiver.answers = [(500, {})]
    for _ in range(4):
        watch.look()

    assert receiver.received == []
    assert len(receiver.hosts) == 1


def test_alarm_that_ended_before_anybody_could_be_told_is_told_once_as_over(
    watch: AlarmWatch, desk: Desk, receiver: Receiver
) -> None:
    desk.alarms = [HOT]
    receiver.answers = [(500, {})]
    look_twice(watch)
    desk.alarms = []
    let_pass(timedelta(minutes=5))
    other = AlarmWatch(make_config(receiver), read=desk.read)
    look_twice(other)

    assert receiver.titles() == ["Over: GPU 0 is hot: 91 °C."]


def test_database_that_is_gone_is_told_after_a_minute_and_when_it_is_back(
    watch: AlarmWatch, desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.is_down = True
    watch.look()
    assert receiver.received == []

    monkeypatch.setattr(database_outage, "BEGINS_AFTER", timedelta())
    look_twice(watch)
    desk.is_down = False
    look_twice(watch)

    assert receiver.titles() == [
        "Alarm: The database does not answer.",
        "Over: The database does not answer.",
    ]


def test_real_alarms_of_the_desk_come_in_the_language_of_the_installation(receiver: Receiver) -> None:
    announce_switcher()
    record(replace(make_gpu_reading(0), temperature_c=91), replace(make_gpu_reading(1), temperature_c=92))
    watch = AlarmWatch(make_config(receiver, alert_language="ko"), read=read_alarms)

    look_twice(watch)

    assert len(receiver.received) == 2
    assert all("°C" in title and "hot" not in title and "Warning" not in title for title in receiver.titles())


def test_what_ended_long_ago_is_forgotten(watch: AlarmWatch, desk: Desk) -> None:
    desk.alarms = [HOT]
    look_twice(watch)
    desk.alarms = []
    let_pass(KEPT_FOR + timedelta(days=1))

    watch.look()
    AlarmWatch(GatewayConfig(alert_webhook_url="http://localhost:1"), read=desk.read).look()

    assert not RaisedAlarm.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_thread_looks_by_itself_until_it_is_stopped(receiver: Receiver) -> None:
    desk = Desk([DEGRADED])
    watch = AlarmWatch(make_config(receiver), read=desk.read, period_s=0.01)

    watch.start()
    wait_until(lambda: receiver.received, what="the alarm at the chat service")
    watch.stop()

    assert receiver.titles() == ["Alarm: Slot default serves nothing."]

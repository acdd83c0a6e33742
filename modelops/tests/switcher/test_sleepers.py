"""Sleeping engines end where host memory is short or somebody asks, and those that serve never do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from django.utils import timezone

from gateway.conf import get_config
from modelops.models import Engine, EngineState
from modelops.switcher import sleep_planning
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.effects import EffectResult
from modelops.switcher.lease import SlotLease
from modelops.switcher.ledger import Ledger
from modelops.switcher.sleepers import SleeperKeeper
from modelops.switcher.working_state import WorkingState
from modelops.switching.slots import get_slot
from modelops.tests.serving.slot_rows import flip, make_engine

pytestmark = pytest.mark.django_db

GIB = 2**30


@dataclass
class FakeBox:
    """A machine whose engines give their memory back at once when they are removed."""

    available_gib: int
    removed: list[str] = field(default_factory=list)
    config: Any = field(default_factory=lambda: replace(get_config(), sleep_reserve_gib=4))

    @property
    def effects(self) -> FakeBox:
        return self

    def runtime_of(self, _kind: str) -> FakeBox:
        return self

    def remove(self, name: str) -> None:
        self.removed.append(name)
        self.available_gib += 12

    def attempt(self, _key: object, work: Callable[[], Any]) -> EffectResult:
        return EffectResult(work(), None)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> FakeBox:
    box = FakeBox(available_gib=100)
    monkeypatch.setattr(sleep_planning, "read_available_bytes", lambda: box.available_gib * GIB)
    return box


@pytest.fixture
def engines() -> dict[str, Engine]:
    """`old` and `new` sleep, `day` serves."""
    slot, spec = get_slot(), {"weights_bytes": 10 * GIB}
    rows = {
        name: make_engine(slot, name, spec=spec, state=EngineState.ASLEEP, last_used_at=used_at)
        for name, used_at in (
            ("new", datetime(2026, 1, 2, tzinfo=UTC)),
            ("old", datetime(2026, 1, 1, tzinfo=UTC)),
        )
    }
    rows["day"] = make_engine(slot, "day", spec=spec)
    flip(slot, rows["day"])
    rows["day"].refresh_from_db()
    return rows


def keeper_of(box: FakeBox, engines: dict[str, Engine]) -> SleeperKeeper:
    """One that looks at once: as after the time that memory gets."""
    slot = engines["day"].slot
    lease = SlotLease(slot.pk, holder="test", length_s=60)
    lease.hold()
    return SleeperKeeper(cast(SwitcherDependencies, box), Ledger(slot.pk, lease), WorkingState())


def test_nobody_ends_while_there_is_memory(box: FakeBox, engines: dict[str, Engine]) -> None:
    keeper_of(box, engines).tick(engines["day"].slot)

    assert box.removed == []


def test_the_least_recently_used_goes_when_memory_is_short_and_the_rest_stays(
    box: FakeBox, engines: dict[str, Engine]
) -> None:
    box.available_gib = 1

    for _look in range(2):
        keeper_of(box, engines).tick(engines["day"].slot)

    assert box.removed == [engines["old"].name]
    ended = Engine.objects.get(profile="old")
    assert (ended.state, ended.end_reason) == (EngineState.ENDED, "host memory was short")
    assert Engine.objects.get(profile="day").state == EngineState.SERVING


def test_room_is_made_for_the_one_that_is_put_to_sleep_but_not_by_what_is_woken(
    box: FakeBox, engines: dict[str, Engine]
) -> None:
    box.available_gib = 8
    slot = engines["day"].slot

    is_ready = keeper_of(box, engines).make_room(slot, engines["day"], keep=engines["old"].name)
    is_ready_then = keeper_of(box, engines).make_room(slot, engines["day"], keep=engines["old"].name)

    assert (is_ready, is_ready_then) == (False, True)
    assert box.removed == [engines["new"].name]


def test_one_that_somebody_asked_to_end_goes_with_memory_enough(
    box: FakeBox, engines: dict[str, Engine]
) -> None:
    Engine.objects.filter(profile="new").update(end_asked_at=timezone.now())

    keeper_of(box, engines).tick(engines["day"].slot)

    assert box.removed == [engines["new"].name]

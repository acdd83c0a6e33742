"""The one word for how the service is, and what is told beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.utils import timezone

from gateway.conf import get_config
from gateway.ids import new_id
from modelops.admin.slots import SlotAdmin
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.switching.states import LIVE_STATES, SwitchState
from modelops.models import Slot, Switch, WebPresence
from modelops.serving.external_engine import ANSWER_AGE_S, ExternalEngine, get_external_engine
from modelops.simulator.process import find_free_port, start_simulator
from modelops.switching import slot_status
from modelops.switching.slot_status import ServiceState, find_default_status
from modelops.switching.slots import get_slot
from modelops.switching.status import StatusQuery, read_statuses, serialise_status
from modelops.tests.fit_rows import save_profile
from modelops.tests.management.command_runs import run
from modelops.tests.switch_rows import advance, announce_switcher, ask, begin, make_ready, serve

pytestmark = pytest.mark.django_db

CAUSE = {"code": "exited", "message": "it ended.", "advice": "Look.", "evidence": "exit 1"}


def state() -> tuple[str, str]:
    status = find_default_status()
    return str(status.state), status.current_profile


def test_nothing_asked_for_is_none_and_reading_makes_no_slot() -> None:
    assert state() == ("none", "")
    assert serialise_status(for_admin=True)["since"] is None
    assert not Slot.objects.exists()


@pytest.mark.parametrize("switch_state", LIVE_STATES)
def test_first_start_is_starting_then_loading(switch_state: SwitchState) -> None:
    make_ready("first")
    begin(ask("first"), switch_state)

    expected = {
        SwitchState.LOADING: ServiceState.LOADING,
        SwitchState.VERIFYING: ServiceState.LOADING,
        SwitchState.ROLLING_BACK: ServiceState.SWITCHING,
    }.get(switch_state, ServiceState.STARTING)
    assert state() == (expected, "")


@pytest.mark.parametrize("switch_state", LIVE_STATES)
def test_change_of_model_is_switching_all_the_way(switch_state: SwitchState) -> None:
    make_ready("first", "second")
    serve("first")
    begin(ask("second"), switch_state)

    assert state() == ("switching", "first")
    Slot.objects.update(active_engine=None)
    assert state() == ("switching", "")


def test_restart_of_what_served_is_no_switching() -> None:
    make_ready("first")
    serve("first")
    switch = ask("first", max_model_len=2048)
    Slot.objects.update(active_engine=None)

    begin(switch, SwitchState.PLANNED, SwitchState.LOADING)

    assert (switch.from_profile, state()) == ("first", ("loading", ""))


def test_success_is_ready_and_forgets_the_error_before_it() -> None:
    make_ready("first", "second")
    serve("first")
    advance(ask("second"), SwitchState.ROLLED_BACK, root_cause=CAUSE)
    failed = serialise_status(for_admin=True)
    switch = ask("second")
    serve("second")
    advance(switch, SwitchState.ACTIVE)

    now = serialise_status(for_admin=True)

    assert (failed["state"], failed["current_profile"]) == ("ready", "first")
    assert (failed["last_error"]["message"], failed["last_error"]["evidence"]) == ("it ended.", "exit 1")
    assert (now["state"], now["current_profile"], now["last_error"]) == ("ready", "second", None)


def test_cancelling_leaves_the_error_before_it_in_sight() -> None:
    make_ready("first", "second")
    advance(ask("second"), SwitchState.DEGRADED, root_cause=CAUSE)
    advance(ask("first"), SwitchState.CANCELLED)

    assert state() == ("degraded", "")
    assert serialise_status(for_admin=False)["last_error"] == {
        "code": CAUSE["code"],
        "message": describe_cause(CAUSE["code"]).message,
        "remedies": [],
        "advice": "",
        "evidence": None,
        "retry_max_model_len": None,
        "switch_id": str(Switch.objects.get(to_profile="second").id),
        "at": serialise_status(for_admin=True)["last_error"]["at"],
    }


def test_switch_that_was_cancelled_too_late_to_end_at_once_is_no_error() -> None:
    make_ready("first", "second")
    serve("first")
    advance(ask("second"), SwitchState.ROLLED_BACK, root_cause={**CAUSE, "code": "cancelled"})

    assert serialise_status(for_admin=True)["last_error"] is None


@pytest.mark.parametrize("cause", [CAUSE, None])
def test_cancelling_late_leaves_the_error_before_it_in_sight(cause: Any) -> None:
    make_ready("first", "second")
    serve("first")
    failed = advance(ask("second"), SwitchState.ROLLED_BACK, root_cause=cause)
    advance(ask("second"), SwitchState.ROLLED_BACK, root_cause={**CAUSE, "code": "cancelled"})

    assert serialise_status(for_admin=True)["last_error"]["switch_id"] == str(failed.id)


def test_engine_that_died_is_degraded_until_something_is_done_about_it() -> None:
    make_ready("first")
    serve("first")
    Slot.objects.update(active_engine=None, problem=CAUSE, retry_at=timezone.now())
    dead = serialise_status(for_admin=True)
    ask("first")

    assert (dead["state"], dead["last_error"]["message"]) == ("degraded", "it ended.")
    assert state()[0] == "starting"


def test_progress_phase_and_remaining_time_are_those_of_the_switch_that_acts() -> None:
    make_ready("first", "second")
    acting = ask("first")
    expected_at = timezone.now() + timedelta(seconds=40)
    advance(
        acting,
        SwitchState.LOADING,
        phase="weights",
        percent=43,
        detail="shard 2 of 4",
        ready_expected_at=expected_at,
    )
    ask("second")

    status = serialise_status(for_admin=False)

    assert (status["phase"], status["progress"], status["detail"]) == ("weights", 43, "shard 2 of 4")
    assert status["eta_s"] in (39, 40)
    assert status["switch"]["id"] == str(acting.id)
    Switch.objects.filter(pk=acting.pk).update(ready_expected_at=timezone.now() - timedelta(seconds=9))
    assert serialise_status(for_admin=False)["eta_s"] == 0


def test_switcher_that_was_not_heard_of_for_a_while_is_not_alive() -> None:
    assert serialise_status(for_admin=True)["switcher"]["alive"] is False
    announce_switcher()
    assert serialise_status(for_admin=True)["switcher"]["alive"] is True
    announce_switcher(age_s=120)
    assert serialise_status(for_admin=True)["switcher"]["alive"] is False


def test_every_slot_is_told_the_default_one_first() -> None:
    make_ready("first", "second")
    other = Slot.objects.create(slug="a-card")
    serve("first")
    serve("second", other)

    slots = serialise_status(for_admin=False)["slots"]

    assert [(each["slot"], each["current_profile"]) for each in slots] == [
        ("default", "first"),
        ("a-card", "second"),
    ]


@pytest.fixture
def use_external(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ExternalEngine], None]]:
    def use(engine: ExternalEngine) -> None:
        monkeypatch.setattr(slot_status, "get_external_engine", lambda _config: engine)

    yield use


def test_external_engine_stands_in_while_the_slot_has_none_of_its_own(
    simulator: str, use_external: Any
) -> None:
    make_ready("first")
    use_external(ExternalEngine(simulator))

    assert state() == ("ready", "simulated")
    save_profile("by-name", served_model_name="simulated")
    assert state() == ("ready", "by-name")
    ask("first")
    assert state() == ("switching", "by-name")
    serve("first")
    assert state() == ("switching", "first")


def test_external_engine_that_nobody_has_seen_is_loading_and_one_that_went_away_degraded(
    use_external: Any,
) -> None:
    port = find_free_port()
    clock = iter(range(0, 1000, int(ANSWER_AGE_S) + 1))
    engine = ExternalEngine(f"http://127.0.0.1:{port}", clock=lambda: float(next(clock)))
    use_external(engine)

    before = state()
    with start_simulator("--served-model-name", "pretend", port=port):
        during = state()
    after = state()

    assert (before, during, after) == (("loading", ""), ("ready", "pretend"), ("degraded", ""))
    assert "does not accept connections" in serialise_status(for_admin=False)["detail"]


def test_external_engine_is_asked_once_however_many_look(simulator: str) -> None:
    engine = ExternalEngine(simulator, clock=lambda: 5.0)

    first = engine.look()

    assert engine.look() is first
    assert [model.name for model in first.models] == ["simulated"]


def test_without_its_address_there_is_no_external_engine() -> None:
    assert get_config().vllm_base_url == ""
    assert get_external_engine(get_config()) is None
    assert get_slot().slug == "default"


def test_time_of_the_next_try_is_shown_wherever_the_state_is() -> None:
    make_ready("first")
    serve("first")
    retry_at = timezone.now() + timedelta(seconds=40)
    Slot.objects.update(active_engine=None, desired_profile="first", problem=CAUSE, retry_at=retry_at)
    written = retry_at.isoformat().replace("+00:00", "Z")

    seen = [serialise_status(for_admin=for_admin)["retry_at"] for for_admin in (True, False)]
    seen += [
        each["retry_at"]
        for each in read_statuses([StatusQuery(is_admin, None) for is_admin in (True, False)])
    ]
    seen += [serialise_status(for_admin=False)["slots"][0]["retry_at"]]
    page = SlotAdmin(Slot, site).trouble(Slot.objects.get())

    assert seen == [written] * 5
    assert f"next try at {written}; at once with manage.py switch_model" in run("model_status")[1]
    assert f"next try at {retry_at:%Y-%m-%d %H:%M:%S} UTC" in page


def test_no_next_try_is_shown_where_none_is_waited_for() -> None:
    make_ready("first")
    serve("first")
    Slot.objects.update(desired_profile="first", retry_at=timezone.now())
    serving = serialise_status(for_admin=True)["retry_at"]
    Slot.objects.update(active_engine=None)
    ask("first")

    assert (serving, serialise_status(for_admin=True)["retry_at"]) == (None, None)


def test_everybody_sees_how_many_use_a_model_by_what_living_processes_report() -> None:
    make_ready("first")
    serve("first")
    slot_id = str(get_slot().id)
    silent_since = timezone.now() - timedelta(minutes=5)
    for host, running, waiting, seen_at in (
        ("web-1", 2, 0, timezone.now()),
        ("web-2", 1, 3, timezone.now()),
        ("gone", 9, 9, silent_since),
    ):
        counts = {slot_id: {"epoch": 1, "open": running, "waiting": waiting}}
        WebPresence.objects.create(id=new_id(), host=host, pid=1, slots=counts, seen_at=seen_at)

    seen = [serialise_status(for_admin=for_admin)["requests"] for for_admin in (True, False)]

    assert seen == [{"running": 3, "waiting": 3}] * 2


def test_use_of_a_slot_that_is_not_there_yet_is_not_known() -> None:
    assert serialise_status(for_admin=False)["requests"] is None

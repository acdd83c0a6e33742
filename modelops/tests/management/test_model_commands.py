"""`manage.py cancel_switch`, `model_status` and `engine_logs`."""

from __future__ import annotations

import json
import os
import signal
from io import StringIO

import pytest

from modelops.domain.switching.states import SwitchState
from modelops.management.switch_commands import (
    ExitCode,
)
from modelops.models import Slot
from modelops.tests.management.command_runs import Switcher, go, run, see
from modelops.tests.switch_rows import (
    CAUSE,
    advance,
    announce_switcher,
    ask,
    begin,
    make_ready,
    serve,
    write_log,
)

pytestmark = pytest.mark.django_db


def test_cancel_takes_the_switch_under_way_or_the_one_named() -> None:
    make_ready("first", "second")
    acting = begin(ask("first"), SwitchState.PLANNED, SwitchState.STARTING)
    ask("second")

    newest = run("cancel_switch")
    named = run("cancel_switch", str(acting.id))

    assert (newest[0], named[0]) == (0, 0)
    assert "is cancelled; it had not begun." in newest[1]
    assert "nothing is what it goes back to" in named[1]
    acting.refresh_from_db()
    assert acting.cancelled_by.endswith(" (shell)")


@pytest.mark.parametrize("arguments", [[], ["0190d3a6-0000-7000-8000-000000000000"], ["--slot", "left"]])
def test_cancel_without_such_a_switch_ends_with_2(arguments: list[str]) -> None:
    assert run("cancel_switch", *arguments)[0] == ExitCode.REFUSED


def test_status_is_told_in_words_and_as_the_api_does() -> None:
    make_ready("first", "second")
    serve("first")
    advance(ask("second"), SwitchState.ROLLED_BACK, root_cause=CAUSE)
    advance(ask("second"), SwitchState.LOADING, phase="weights", percent=43, detail="shard 2 of 4")

    code, output, _errors = run("model_status")
    content = json.loads(run("model_status", "--json")[1])

    assert code == 0
    assert "default: switching, serves first" in output
    assert "first → second: loading, phase weights, 43 %, shard 2 of 4" in output
    assert "last error: the KV cache cannot hold it." in output
    assert "- Retry with max_model_len 2,048 and keep it: manage.py switch_model second" in output
    assert "switcher: running on gpu-box" in output
    assert (content["state"], content["progress"], content["last_error"]["evidence"]) == (
        "switching",
        43,
        "ValueError: too long",
    )


def test_switcher_of_any_box_is_known_before_the_default_slot_has_a_row() -> None:
    announce_switcher()

    output = run("model_status")[1]

    assert "switcher: running on gpu-box" in output
    assert "DatabaseDefault" not in output
    assert json.loads(run("model_status", "--json")[1])["box"] is None


def test_status_ends_with_3_while_nothing_serves() -> None:
    code, output, _errors = run("model_status")

    assert code == 3
    assert "default: none, serves nothing" in output
    assert "none has been heard of" in output


@pytest.mark.django_db(transaction=True)
def test_status_is_watched_until_ctrl_c() -> None:
    make_ready("first")
    output = StringIO()
    ask("first")

    with Switcher(
        see(output, '"state": "starting"'),
        go(SwitchState.LOADING),
        see(output, '"state": "loading"'),
        lambda _switch: os.kill(os.getpid(), signal.SIGINT),
    ):
        code, text, _errors = run("model_status", "--json", "--watch", "0.05", output=output)

    assert code == 3
    assert [json.loads(line)["state"] for line in text.splitlines()][-1] == "loading"


def test_log_is_that_of_the_newest_engine_cut_to_its_tail() -> None:
    make_ready("first", "second")
    write_log(serve("first"), "old engine")
    engine = serve("second")
    write_log(engine, "one", "two")
    write_log(engine, "three")

    code, output, _errors = run("engine_logs", "--tail", "2")

    assert code == 0
    assert output.splitlines() == ["==> default-2 (second, serving) <==", "two", "three"]
    assert run("engine_logs", "--engine", "default-1")[1].splitlines()[1:] == ["old engine"]
    assert run("engine_logs", "--tail", "0")[1].splitlines()[1:] == []


@pytest.mark.parametrize("arguments", [[], ["--engine", "none"], ["--tail", "-1"], ["--slot", "left"]])
def test_log_of_nothing_ends_with_2(arguments: list[str]) -> None:
    assert run("engine_logs", *arguments)[0] == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("named", [False, True])
def test_log_is_followed_to_the_next_engine_unless_one_is_named(named: bool) -> None:
    make_ready("first", "second")
    serve("first")
    earlier = Slot.objects.get().active_engine
    assert earlier is not None
    write_log(earlier, "long ago")
    current = serve("second")
    ask("first", force=True)
    output = StringIO()
    arguments = ["--engine", current.name] if named else []

    with Switcher(
        see(output, f"==> {current.name}"),
        lambda _switch: write_log(current, "goodbye"),
        see(output, "goodbye"),
        lambda _switch: write_log(earlier, "from another"),
        lambda _switch: write_log(current, "the end"),
        see(output, "the end"),
        lambda _switch: os.kill(os.getpid(), signal.SIGINT),
    ):
        code, text, _errors = run("engine_logs", "-f", *arguments, output=output)

    assert code == 0
    assert "long ago" not in text
    assert ("from another" in text) is not named
    assert (f"==> {earlier.name}" in text) is not named

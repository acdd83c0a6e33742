"""`manage.py switch_model`."""

from __future__ import annotations

import os
import signal
from io import StringIO
from typing import Any

import pytest

from gateway.conf import BASE_DIR
from modelops.domain.switching.states import FINAL_STATES, SwitchState
from modelops.management.switch_commands import (
    EXIT_MEANINGS,
    EXIT_OF_STATE,
    ExitCode,
    ProgressLine,
    describe_end,
)
from modelops.models import Switch
from modelops.tests.fit_rows import record, save_large
from modelops.tests.management.command_runs import Switcher, Terminal, go, run, see
from modelops.tests.switch_rows import (
    CAUSE,
    advance,
    announce_switcher,
    ask,
    make_ready,
    serve,
)

pytestmark = pytest.mark.django_db


def test_every_final_state_has_an_exit_code_and_every_code_a_meaning() -> None:
    assert set(EXIT_OF_STATE) == set(FINAL_STATES)
    assert set(EXIT_MEANINGS) == set(ExitCode)


def test_dry_run_shows_plan_and_changes_and_changes_nothing() -> None:
    make_ready("first", "second")
    serve("first")

    code, output, _errors = run("switch_model", "second", "--dry-run")

    assert code == 0
    assert "first → second: stop the engine that serves, then start a new one" in output
    assert "--served-model-name second" in output
    assert "The plan is accepted." in output
    assert "Dry run: nothing was changed." in output
    assert not Switch.objects.exists()


def test_dry_run_of_what_does_not_fit_is_refused_with_advice() -> None:
    save_large()
    announce_switcher()
    record()

    code, output, _errors = run("switch_model", "large", "--dry-run")
    forced, forced_output, _ = run("switch_model", "large", "--dry-run", "--force")

    assert (code, forced) == (ExitCode.REFUSED, 0)
    assert "refused (can be forced): " in output
    assert "The plan is refused." in output
    assert "forced, in spite of: " in forced_output
    assert not Switch.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none"], "no profile 'none'"),
        (["none", "--dry-run"], "no profile 'none'"),
        (["first", "--slot", "left"], "no slot 'left'"),
        (["first", "--reason", "x" * 501], "--reason takes 500"),
        (["first", "--drain-timeout", "-1"], "--drain-timeout is 0 to"),
        (["first", "--drain-policy", "kill"], "invalid choice"),
        (["first", "--timeout", "0"], "not a number of seconds"),
        ([], "required: PROFILE"),
    ],
)
def test_wrong_usage_and_unknown_names_end_with_2(arguments: list[str], said: str) -> None:
    make_ready("first")

    code, _output, errors = run("switch_model", *arguments)

    # What argparse itself refuses becomes a 2 in manage.py; here it is raised with the default.
    assert code in (1, ExitCode.REFUSED)
    assert said in errors
    assert not Switch.objects.exists()


def test_refused_plan_ends_with_2_and_nothing_is_asked_for() -> None:
    save_large()
    announce_switcher()
    record()

    code, _output, errors = run("switch_model", "large")

    assert code == ExitCode.REFUSED
    assert errors.startswith("Weights ")
    assert "for a KV cache. It would run with " in errors
    assert not Switch.objects.exists()


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_no_switcher_has_a_code_of_its_own(option: list[str]) -> None:
    make_ready("first")
    announce_switcher(age_s=3600)

    assert run("switch_model", "first", *option)[0] == ExitCode.NO_SWITCHER


def test_no_wait_only_asks_and_says_who_asked() -> None:
    make_ready("first")

    code, output, _errors = run(
        *("switch_model", "first", "--no-wait", "--reason", "new week"),
        *("--drain-timeout", "7", "--drain-policy", "wait"),
    )

    switch = Switch.objects.get()
    assert code == 0
    assert str(switch.id) in output
    assert switch.actor_name.endswith(" (shell)")
    assert (switch.via, switch.reason, switch.drain_timeout_s) == ("command", "new week", 7)
    assert switch.drain_policy == "wait"


def test_what_is_active_already_is_left_alone() -> None:
    make_ready("first")
    serve("first")

    assert run("switch_model", "first")[:2] == (0, "first is active already.\n")


@pytest.mark.django_db(transaction=True)
def test_waiting_writes_a_line_a_change_and_ends_with_the_switch() -> None:
    make_ready("first")
    output = StringIO()

    with Switcher(
        see(output, "requested"),
        go(SwitchState.PLANNED),
        see(output, "planned"),
        go(SwitchState.LOADING, phase="weights", percent=43, detail="shard 2 of 4"),
        see(output, "shard 2 of 4"),
        go(SwitchState.ACTIVE, phase="", percent=100, detail=""),
    ):
        code, text, _errors = run("switch_model", "first", output=output)

    assert code == 0
    assert text.splitlines() == [
        "requested",
        "planned",
        "loading (weights): shard 2 of 4  43 %",
        "active  100 %",
        "first is active.",
    ]


@pytest.mark.django_db(transaction=True)
def test_terminal_gets_one_line_that_is_rewritten_with_a_bar() -> None:
    make_ready("first")
    output = Terminal()

    with Switcher(
        go(SwitchState.LOADING, phase="weights", percent=50),
        see(output, "50 %"),
        go(SwitchState.ACTIVE, percent=100),
    ):
        code, text, _errors = run("switch_model", "first", output=output)

    progress, _, end = text.rpartition("\x1b[K")
    assert code == 0
    assert "\n" not in progress
    assert f"\r[{'#' * 12}{'.' * 12}]  loading (weights)  50 %\x1b[K" in text
    assert end == "\nfirst is active.\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        (SwitchState.ROLLED_BACK, ExitCode.FAILED, "what served before serves again"),
        (SwitchState.DEGRADED, ExitCode.DEGRADED, "nothing serves now"),
        (SwitchState.REJECTED, ExitCode.REFUSED, "was not touched"),
        (SwitchState.CANCELLED, ExitCode.CANCELLED, "cancelled by mina"),
    ],
)
def test_other_ends_have_codes_and_failures_their_cause(
    state: SwitchState, code: ExitCode, said: str
) -> None:
    make_ready("first")

    with Switcher(go(state, root_cause=CAUSE, cancelled_by="mina")):
        got, output, _errors = run("switch_model", "first")

    assert got == code
    assert said in output
    assert ("Use 2048." in output) == (state is not SwitchState.CANCELLED)


@pytest.mark.django_db(transaction=True)
def test_switch_that_was_cancelled_after_the_old_engine_stopped_was_cancelled() -> None:
    make_ready("first")
    cause = {**CAUSE, "code": "cancelled", "message": "The switch was cancelled."}

    with Switcher(go(SwitchState.ROLLED_BACK, root_cause=cause, cancelled_by="mina")):
        code, output, _errors = run("switch_model", "first")

    assert code == ExitCode.CANCELLED
    assert "was cancelled by mina; what served before serves again." in output
    assert "failed" not in output


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_leaves_the_switch_alone_and_says_how_to_cancel_it() -> None:
    make_ready("first")
    output = StringIO()

    with Switcher(see(output, "requested"), lambda _switch: os.kill(os.getpid(), signal.SIGINT)):
        code, _output, errors = run("switch_model", "first", output=output)

    switch = Switch.objects.get()
    assert code == ExitCode.INTERRUPTED
    assert "The switch goes on." in errors
    assert f"manage.py cancel_switch {switch.id}" in errors
    assert (switch.state, switch.cancel_requested_at) == ("requested", None)


def test_wait_ends_with_its_timeout_and_the_switch_goes_on() -> None:
    make_ready("first")

    code, _output, errors = run("switch_model", "first", "--timeout", "0.01")

    assert code == ExitCode.TIMED_OUT
    assert "The switch goes on." in errors
    assert Switch.objects.live().exists()


def test_wait_ends_when_no_switcher_is_heard_of_any_more() -> None:
    make_ready("first")
    ask("first")
    announce_switcher(age_s=3600)

    code, output, errors = run("switch_model", "first")

    assert code == ExitCode.NO_SWITCHER
    assert "under way already" in output
    assert "manage.py run_switcher" in errors


def test_progress_is_shown_once_while_nothing_changes() -> None:
    make_ready("first")
    output: Any = StringIO()
    line, switch = ProgressLine(output), ask("first")

    for _ in range(3):
        line.show(switch, switch.created_at)

    assert output.getvalue().count("requested") == 1


@pytest.mark.parametrize("state", SwitchState)
def test_every_end_can_be_told(state: SwitchState) -> None:
    make_ready("first")

    assert "first" in describe_end(advance(ask("first"), state))


def test_exit_codes_are_documented_as_they_are() -> None:
    text = (BASE_DIR / "docs" / "switching.md").read_text()
    table = text.partition("<!-- begin exit-codes -->")[2].partition("<!-- end exit-codes -->")[0]

    rows = [f"| {code.value} | {meaning} |" for code, meaning in EXIT_MEANINGS.items()]
    assert table.strip().splitlines()[2:] == rows

"""The supervisor sleeps until a child ends, a signal comes, or a child is to be started again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import supervisor as supervisor_module
from gateway.supervisor import Child, Supervisor
from gateway.tests.live import wait_until


@pytest.fixture(autouse=True)
def kept_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(supervisor_module, "RESTART_DELAYS_S", (0.01,))
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def child(program: str, *, is_essential: bool) -> Child:
    return Child("child", [sys.executable, "-c", program], os.environ, is_essential=is_essential)


def test_the_end_of_an_essential_child_ends_the_whole() -> None:
    said: list[str] = []
    running = Supervisor([child("raise SystemExit(3)", is_essential=True)], say=said.append)

    assert running.run(when_started=lambda: None) == 1
    assert said == ["child ended with code 3; stopping."]


def test_another_child_that_ends_is_started_again_and_a_signal_ends_all(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = (
        f"import os, signal; open({str(started)!r}, 'a').write('x');"
        f"os.path.getsize({str(started)!r}) == 3 and os.kill(os.getppid(), signal.SIGTERM)"
    )
    running = Supervisor([child(program, is_essential=False)], say=lambda text: None)

    assert running.run(when_started=lambda: None) == 0
    assert started.read_text().startswith("xxx")


def test_child_that_ended_is_noticed_while_others_wait_for_it_and_its_log_is_shown(tmp_path: Path) -> None:
    said: list[str] = []
    log_path = tmp_path / "child.log"
    broken = child("print('first');\nraise SystemExit('no such port')", is_essential=True)
    broken.log_path = log_path
    running = Supervisor([broken], say=said.append)

    code = running.run(when_started=lambda: wait_until(lambda: running.is_stopping))

    assert code == 1
    assert "no such port" in said[1]


def test_line_that_is_typed_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    entered: list[str] = []
    with os.fdopen(reading) as terminal, os.fdopen(writing, "w") as keyboard:
        monkeypatch.setattr("sys.stdin", terminal)
        keyboard.write("\n")
        keyboard.flush()
        running = Supervisor([child("import time; time.sleep(60)", is_essential=True)], say=lambda text: None)

        def enter() -> None:
            entered.append("yes")
            os.kill(os.getpid(), signal.SIGTERM)

        assert running.run(when_started=lambda: None, when_entered=enter) == 0

    assert entered == ["yes"]

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

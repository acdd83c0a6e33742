"""Commands as a test runs them, beside a switcher that the test plays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from gateway.tests.live import wait_until
from modelops.domain.switching.states import SwitchState
from modelops.models import Switch
from modelops.tests.switch_rows import (
    advance,
)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def run(command: str, *arguments: str, output: StringIO | None = None) -> tuple[int, str, str]:
    """Exit code, output, and what went to stderr."""
    output, errors = output or StringIO(), StringIO()
    try:
        call_command(command, *arguments, stdout=output, stderr=errors)
    except SystemExit as exc:
        return int(exc.code or 0), output.getvalue(), errors.getvalue()
    except CommandError as exc:
        return exc.returncode, output.getvalue(), str(exc)
    return 0, output.getvalue(), errors.getvalue()


class Switcher:
    """Takes the next step of the newest switch each time that the output shows the one before."""

    def __init__(self, *steps: Callable[[Switch], Any]) -> None:
        self._steps = list(steps)
        self._thread = threading.Thread(target=self._run)
        self.failure: BaseException | None = None

    def __enter__(self) -> Switcher:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            switch = wait_until(lambda: Switch.objects.live().first(), what="a switch")
            for step in self._steps:
                step(switch)
        except BaseException as exc:
            self.failure = exc
        finally:
            connection.close()


def see(output: StringIO, text: str) -> Callable[[Switch], Any]:
    return lambda _switch: wait_until(lambda: text in output.getvalue(), what=text)


def go(state: SwitchState, **values: Any) -> Callable[[Switch], Any]:
    return lambda switch: advance(switch, state, **values)

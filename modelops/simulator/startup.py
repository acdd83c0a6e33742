"""Acting out a start: print the lines in time, then be ready, fail, hang or be killed."""

from __future__ import annotations

import asyncio
import os
import signal

from modelops.simulator.console import print_line
from modelops.simulator.failures import Ending, StartupFailure, find_startup_failure
from modelops.simulator.flags import ServeSettings
from modelops.simulator.memory import plan_memory
from modelops.simulator.startup_lines import startup_lines

FAILED_EXIT_CODE = 1

CHUNK_BYTES = 16 * 2**20
MOST_FILLED_BYTES = 2 * 2**30


class StartupFailedError(Exception):
    """The simulated start failed; its traceback has been printed and the process should exit 1."""


async def act_out_startup(settings: ServeSettings) -> None:
    """Return when the engine would begin to listen; raises StartupFailedError when it would not.

    May never return (``hang_loading``) or end the process by SIGKILL (``killed``).
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    failure = find_startup_failure(settings)
    for timed in startup_lines(settings, plan_memory(settings)):
        if failure is not None and timed.at >= failure.at:
            break
        await _sleep_until(start + timed.at * settings.simulation.startup_s)
        print_line(timed.line)
    if failure is not None:
        await _sleep_until(start + failure.at * settings.simulation.startup_s)
        await _fail(failure)
    await _sleep_until(start + settings.simulation.startup_s)


async def _sleep_until(due: float) -> None:
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))


async def _fail(failure: StartupFailure) -> None:
    if failure.ending is Ending.HANG:
        await asyncio.Event().wait()
    if failure.ending is Ending.FILL:
        _fill_memory()
    if failure.ending in (Ending.KILL, Ending.FILL):
        os.kill(os.getpid(), signal.SIGKILL)
    report_failure(failure)
    raise StartupFailedError


def _fill_memory() -> None:
    """Pages that were written to, as only those count."""
    held = [b"m" * CHUNK_BYTES for _ in range(MOST_FILLED_BYTES // CHUNK_BYTES)]
    held.clear()


def report_failure(failure: StartupFailure) -> None:
    """Print the traceback that the failure leaves."""
    for line in failure.lines:
        print_line(line)
